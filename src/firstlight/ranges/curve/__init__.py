"""The rule that reads bounds off the curve of a range test."""

from firstlight.ranges.curve.read import Bounds as Bounds
from firstlight.ranges.curve.read import Curve as Curve
from firstlight.ranges.curve.read import Direction as Direction
from firstlight.ranges.curve.read import Reason as Reason
from firstlight.ranges.curve.read import read_curve as read_curve
from firstlight.ranges.curve.sizes import SizeBounds as SizeBounds
from firstlight.ranges.curve.sizes import read_sizes as read_sizes
