"""Thousands of independent small networks, trained as one program."""

from firstlight.ensemble.train import Trained as Trained
from firstlight.ensemble.train import train as train
from firstlight.ensemble.spec import Network as Network
from firstlight.ensemble.spec import Training as Training
