"""Bounds for learning rate and batch size, read off a curve of losses."""

from firstlight.ranges.auto import BatchSizes as BatchSizes
from firstlight.ranges.auto import auto_batch_size as auto_batch_size
from firstlight.ranges.batch_size import batch_size as batch_size
from firstlight.ranges.curve import Bounds as Bounds
from firstlight.ranges.curve import Curve as Curve
from firstlight.ranges.curve import read_curve as read_curve
from firstlight.ranges.learning_rate import learning_rate as learning_rate
from firstlight.ranges.noise import NoiseScale as NoiseScale
from firstlight.ranges.noise import gradient_noise_scale as gradient_noise_scale
from firstlight.ranges.sizes import SizeBounds as SizeBounds
from firstlight.ranges.sizes import read_sizes as read_sizes
from firstlight.ranges.steps import ModelStep as ModelStep
