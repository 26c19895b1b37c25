"""Data sets in memory: found, fetched or those that come with firstlight, each file verified."""

from firstlight.data.datasets import Dataset as Dataset
from firstlight.data.datasets import load as load
from firstlight.data.download import fetch as fetch
from firstlight.data.idx import read_idx as read_idx
from firstlight.data.official import SETS as SETS
from firstlight.data.sources import Location as Location
from firstlight.data.sources import cache_folder as cache_folder
from firstlight.data.sources import locate as locate
