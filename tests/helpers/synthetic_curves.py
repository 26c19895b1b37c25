"""Twenty curves with known bounds, and curves without a descent; shared with the bench."""

from benchmarks.ranges_shapes import FLAT as FLAT
from benchmarks.ranges_shapes import NOISES as NOISES
from benchmarks.ranges_shapes import RISING as RISING
from benchmarks.ranges_shapes import SHAPES as SHAPES
from benchmarks.ranges_shapes import WANDERING as WANDERING
from benchmarks.ranges_shapes import Shape as Shape
from benchmarks.ranges_shapes import sample as sample
from benchmarks.ranges_shapes import truth as truth
