"""Networks that the studies train."""

from firstlight.models.lenet5 import LeNet5 as LeNet5
from firstlight.models.minigooglenet import MiniGoogLeNet as MiniGoogLeNet
