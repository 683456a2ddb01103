"""One file for each thing the system does: get, compute, record, send."""
