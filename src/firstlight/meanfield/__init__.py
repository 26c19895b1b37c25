"""Predicted size of signals and gradients in a random network, and moments of its activations."""

from firstlight.meanfield.moments import ACTIVATIONS as ACTIVATIONS
from firstlight.meanfield.theory import Prediction as Prediction
from firstlight.meanfield.theory import propagate as propagate
