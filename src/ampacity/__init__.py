"""Ampacity: an open Capacity Provider for electricity distribution grids."""

__version__ = "0.1.0"
