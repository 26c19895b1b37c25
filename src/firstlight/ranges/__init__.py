"""Bounds for learning rate and batch size, read off a curve of losses."""

from firstlight.ranges.batch_range import batch_size as batch_size
from firstlight.ranges.curve.read import Bounds as Bounds
from firstlight.ranges.curve.read import Curve as Curve
from firstlight.ranges.curve.read import Reason as Reason
from firstlight.ranges.curve.read import read_curve as read_curve
from firstlight.ranges.curve.sizes import SizeBounds as SizeBounds
from firstlight.ranges.curve.sizes import read_sizes as read_sizes
from firstlight.ranges.lr_range import learning_rate as learning_rate
from firstlight.ranges.noise_scale import NoiseScale as NoiseScale
from firstlight.ranges.noise_scale import gradient_noise_scale as gradient_noise_scale
from firstlight.ranges.search import BatchSizes as BatchSizes
from firstlight.ranges.search import auto_batch_size as auto_batch_size
from firstlight.ranges.trainable import ModelStep as ModelStep
