"""Look inside a model while it runs: statistics of each layer, and nothing of the model changed."""

from firstlight.probing.layers import Layer as Layer
from firstlight.probing.probe import Probe as Probe
from firstlight.probing.probe import probe as probe
from firstlight.probing.statistics import RunningStats as RunningStats
