"""How the batch size is determined: one description that is run, written down and drawn."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

KINDS = ("start", "step", "decision", "end")


@dataclass(frozen=True)
class Block:
    """One block of the algorithm.

    Args:
        name: short and unique; the function that does it has the same name.
        kind: "start", "step", "decision" or "end".
        text: what stands in the block diagram.
        detail: what exactly is done, in one or two sentences.
        next: the block that follows; after a decision, if the answer is yes; None at the end.
        otherwise: the block that follows if the answer is no; None where nothing is decided.
    """

    name: str
    kind: str
    text: str
    detail: str
    next: str | None = None
    otherwise: str | None = None


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
    Block(
        "double",
        "step",
        "Double B",
        "B becomes twice the largest size tried.",
        "train",
    ),
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
        "Is b_min told, or the curve flat?",
        "Told: at sizes below b_min the curve has slowed. Flat: at least 5 sizes, none of which is "
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
        "not clearly worse than the best. A bound that is not told is the size at that end, and "
        "the reason says so.",
        "noise_after_training",
    ),
    Block(
        "noise_after_training",
        "step",
        "Train at that size and measure the gradient noise scale again",
        "Usually it has grown, since the gradient shrinks more than its noise.",
        "put_back",
    ),
    Block(
        "put_back",
        "end",
        "Put everything back; return b_min, b_max and the recommendation",
        "Bit for bit, after an error or Ctrl-C too.",
    ),
)


def walk(
    actions: Mapping[str, Callable[[], bool | None]], blocks: Sequence[Block] = BLOCKS
) -> tuple[str, ...]:
    """Do what the blocks say, in their order, and return the names of those walked through.

    Args:
        actions: block name → what is done; for a decision it returns the answer.
        blocks: the description; it begins with the first.

    Raises:
        ValueError: the description is broken, or actions and blocks differ.

    Example:
        >>> blocks = (Block("a", "start", "A", "", "b"), Block("b", "end", "B", ""))
        >>> walk({"a": lambda: None, "b": lambda: None}, blocks)
        ('a', 'b')
    """
    check(blocks)
    by_name = {block.name: block for block in blocks}
    if set(actions) != set(by_name):
        odd = ", ".join(sorted(set(actions) ^ set(by_name)))
        raise ValueError(f"actions: expected one for each block, got a difference: {odd}")
    trace, name = [], blocks[0].name
    while True:
        trace.append(name)
        block, answer = by_name[name], actions[name]()
        following = block.next if block.kind != "decision" or answer else block.otherwise
        if following is None:
            return tuple(trace)
        name = following


def check(blocks: Sequence[Block]) -> None:
    """Raise ``ValueError`` unless the blocks are a whole algorithm: no arrow leads nowhere."""
    names = [block.name for block in blocks]
    if len(set(names)) < len(names) or not blocks or blocks[0].kind != "start":
        raise ValueError(f"blocks: expected a start and different names, got {names}")
    for block in blocks:
        ends = (block.next is not None, block.otherwise is not None)
        wanted = (block.kind != "end", block.kind == "decision")
        leads = {block.next, block.otherwise} - {None}
        if block.kind not in KINDS or ends != wanted or not leads <= set(names):
            raise ValueError(
                f"block {block.name!r}: expected a kind of {', '.join(KINDS)} and arrows to other "
                f"blocks, two from a decision, one from a step, none from the end; got {block}"
            )


def to_json(blocks: Sequence[Block] = BLOCKS) -> str:
    """Return the description as text, for a record's fact ``algorithm``."""
    return json.dumps([asdict(block) for block in blocks], ensure_ascii=False)


def from_json(text: str) -> tuple[Block, ...]:
    """Return the blocks of ``to_json``.

    Raises:
        ValueError: the text is no such description.
    """
    names = {field.name for field in fields(Block)}
    parts = json.loads(text)
    if not isinstance(parts, list) or not all(
        isinstance(p, dict) and set(p) == names for p in parts
    ):
        raise ValueError(f"text: expected a list of blocks with {', '.join(sorted(names))}")
    blocks = tuple(Block(**part) for part in parts)
    check(blocks)
    return blocks


def to_markdown(blocks: Sequence[Block] = BLOCKS) -> str:
    """Return the steps as a numbered list; an arrow to any but the next step is written out."""
    number = {block.name: at for at, block in enumerate(blocks, 1)}
    lines = []
    for at, block in enumerate(blocks, 1):
        line = f"{at}. **{block.text}**" + ("" if block.text.endswith("?") else ".")
        line += f" {block.detail}"
        if block.kind == "decision":
            line += f" *Yes:* step {number[str(block.next)]}. *No:* step {number[str(block.otherwise)]}."
        elif block.next is not None and number[block.next] != at + 1:
            line += f" Go on with step {number[block.next]}."
        lines.append(line)
    return "\n".join(lines) + "\n"
