"""Measured comparisons with the plain way and with named peers: ``python -m benchmarks NAME``."""
