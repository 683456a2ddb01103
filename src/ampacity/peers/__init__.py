"""Counterparts as this system sees them, whatever the protocol: their session, their forecasts, their meters."""
