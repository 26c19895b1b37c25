"""One training loop, used by every study that trains a network."""

from firstlight.train.acceleration import PLAIN as PLAIN
from firstlight.train.acceleration import Acceleration as Acceleration
from firstlight.train.acceleration import choose as choose
from firstlight.train.acceleration import use as use
from firstlight.train.evaluation import Evaluation as Evaluation
from firstlight.train.evaluation import evaluate as evaluate
from firstlight.train.evaluation import modes_kept as modes_kept
from firstlight.train.evaluation import recalibrated as recalibrated
from firstlight.train.loop import Fit as Fit
from firstlight.train.loop import accumulate as accumulate
from firstlight.train.loop import fit as fit
