"""Thousands of independent small networks, trained as one program; and which are born dead."""

from firstlight.ensemble import theory as theory
from firstlight.ensemble.initial import initial as initial
from firstlight.ensemble.spec import Network as Network
from firstlight.ensemble.spec import Training as Training
from firstlight.ensemble.train import Trained as Trained
from firstlight.ensemble.train import train as train
