"""The guard: what a block of code did to a model and all around it is put back, bit for bit."""

from firstlight.guard.snapshot import Snapshot as Snapshot
from firstlight.guard.snapshot import restored as restored
