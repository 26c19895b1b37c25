"""pytorch-lr-finder's names before firstlight's engine, to run its own tests against it."""

from torch_lr_finder.lr_finder import LRFinder as LRFinder
from torch_lr_finder.lr_finder import TrainDataLoaderIter as TrainDataLoaderIter
from torch_lr_finder.lr_finder import ValDataLoaderIter as ValDataLoaderIter
