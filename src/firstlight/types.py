"""Types that several rooms share."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
"""Numbers in double precision, any shape."""

Numbers: TypeAlias = NDArray[Any]
"""An array of any kind of number."""

Tick: TypeAlias = Callable[[int, int], None]
"""Called as ``tick(done, total)``."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called as ``progress(label, done, total)``."""
