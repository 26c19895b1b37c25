"""Data sets in memory: found or fetched, verified against known hashes, or replaced by digits."""

from firstlight.data.datasets import Dataset as Dataset
from firstlight.data.datasets import load as load
from firstlight.data.download import fetch as fetch
from firstlight.data.idx import read_idx as read_idx
from firstlight.data.official import SETS as SETS
from firstlight.data.sources import Location as Location
from firstlight.data.sources import cache_folder as cache_folder
from firstlight.data.sources import locate as locate
