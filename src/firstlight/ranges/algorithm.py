"""The steps by which ``search`` determines the batch size, as data: for its diagram and its page.

A test walks through many searches: every step that follows another in a trace is an arrow here.
"""

import json
from dataclasses import asdict, dataclass
from typing import Literal

BlockName = Literal[
    "set_aside", "noise_at_start", "train", "clearly_worse", "larger_allowed", "double", "read",
    "low_end_told", "smaller_allowed", "train_smaller", "recommend", "noise_after_training",
    "put_back",
]  # fmt: skip  # thirteen words, so that a misspelled one is a type error


@dataclass(frozen=True)
class Block:
    """One block of the algorithm."""

    name: BlockName  # it stands in the trace of a search
    kind: Literal["start", "step", "decision", "end"]  # what the block is drawn as
    text: str  # what stands in the block diagram
    detail: str  # what exactly is done, in one or two sentences
    next: BlockName | None = None  # what follows; after a decision, if the answer is yes
    otherwise: BlockName | None = None  # what follows a decision if the answer is no


BLOCKS = (
    Block(
        "set_aside",
        "start",
        "Set everything aside: weights, optimizer, random states",
        "Whatever training touches is remembered. Every training below starts from it.",
        "noise_at_start",
    ),
    Block(
        "noise_at_start",
        "step",
        "Measure the gradient noise scale",
        "The variance of a sample's gradient over the squared mean gradient, at the first weights.",
        "train",
    ),
    Block(
        "train",
        "step",
        "Train at size B, from the same weights, on equally many samples",
        "B begins at 64. The rate is fixed, and a training is repeated with other orders of the "
        "samples. Its loss is the mean over the last quarter of its updates. Large batches are "
        "exact: they are summed up from micro-batches, which shrink where memory runs out.",
        "clearly_worse",
    ),
    Block(
        "clearly_worse",
        "decision",
        "Clearly worse than the best, twice in a row, and hardly rising?",
        "Yes if the losses of the two largest sizes both lie above the best size's beyond the "
        "noise (paired t-intervals of 95 % over the repeats) and the last doubling added less than "
        "a tenth of the whole rise. Then larger batches hardly learn in this budget.",
        "read",
        "larger_allowed",
    ),
    Block(
        "larger_allowed",
        "decision",
        "May 2B be tried: within the limit and in memory?",
        "The limit is a tenth of the samples and 8192 at most, unless another is given. If there "
        "was no memory for B even in the smallest micro-batches, nothing larger is tried.",
        "double",
        "read",
    ),
    Block("double", "step", "Double B", "B becomes twice the largest size tried.", "train"),
    Block(
        "read",
        "step",
        "Read b_min and b_max off the curve of losses",
        "The rule of the learning rate over 1/B: a tenth of the descent has happened at 1/b_max "
        "and nine tenths at 1/b_min.",
        "low_end_told",
    ),
    Block(
        "low_end_told",
        "decision",
        "Was b_min read, or is the curve flat?",
        "Read: at sizes below b_min the curve has slowed. Flat: at least 5 sizes, none of which is "
        "better beyond the noise. Then all sizes are equally good.",
        "recommend",
        "smaller_allowed",
    ),
    Block(
        "smaller_allowed",
        "decision",
        "May half the smallest size be tried?",
        "Not below the smallest size allowed (4 unless another is given), nor below the number of "
        "samples that batch normalization sees; nor if the smallest size has diverged.",
        "train_smaller",
        "recommend",
    ),
    Block(
        "train_smaller",
        "step",
        "Train at half the smallest size",
        "As above: same weights, same number of samples.",
        "read",
    ),
    Block(
        "recommend",
        "step",
        "Recommend the largest size tried that is at most b_min",
        "It learns practically as well as the best, in the fewest updates. If the curve is flat, or "
        "the loss falls with the size, the largest size; if nothing can be read, the largest that is "
        "not clearly worse than the best. A bound that was not read is the size at that end, and "
        "the reason says so.",
        "noise_after_training",
    ),
    Block(
        "noise_after_training",
        "step",
        "Train at that size and measure the gradient noise scale again",
        "It has grown where the gradient has shrunk more than its noise.",
        "put_back",
    ),
    Block(
        "put_back",
        "end",
        "Put everything back; return b_min, b_max and the recommendation",
        "Bit for bit, after an error or Ctrl-C too.",
    ),
)


def to_json() -> str:
    """Return the description as text, for a record's fact ``algorithm``."""
    return json.dumps([asdict(block) for block in BLOCKS], ensure_ascii=False)
