"""Twenty curves with known bounds, and curves without a descent; shared with the bench."""

from firstlight.bench.ranges_shapes import FLAT as FLAT
from firstlight.bench.ranges_shapes import NOISES as NOISES
from firstlight.bench.ranges_shapes import RISING as RISING
from firstlight.bench.ranges_shapes import SHAPES as SHAPES
from firstlight.bench.ranges_shapes import WANDERING as WANDERING
from firstlight.bench.ranges_shapes import Shape as Shape
from firstlight.bench.ranges_shapes import sample as sample
from firstlight.bench.ranges_shapes import truth as truth
