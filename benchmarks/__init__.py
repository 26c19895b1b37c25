"""Measured comparisons with the plain way and with named peers, printed by ``firstlight bench``."""
