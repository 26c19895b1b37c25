"""Range tests and cyclical policies on MiniGoogLeNet and Fashion-MNIST, one record.

Three stages, each resting on what the one before has read off its curves: the learning rate's range
test, the batch-size test at the rate found, and the policies between the bounds found. Every stage
is stored trial by trial. Nothing is chosen on the test set.
"""

import time

import numpy as np

from firstlight import data
from firstlight.studies.cyclical.config import CyclicalConfig
from firstlight.context import Context
from firstlight.record.provenance import collect
from firstlight.ranges import algorithm, read_curve
from firstlight.ranges.curve.read import Bounds
from firstlight.ranges.curve.flip import read_flipped, read_straight
from firstlight.record import Array, Fact, Record
from firstlight.record.store import TrialResult
from firstlight.studies.cyclical.answers import answers
from firstlight.studies.cyclical.facts import (
    batch_facts,
    chosen_rates,
    data_arrays,
    data_facts,
    policy_arrays,
    policy_facts,
    rate_facts,
    two_digits,
)
from firstlight.studies.cyclical.stages import (
    Stages,
    batch_losses,
    batch_trials,
    policy_trials,
    range_curve,
    range_trials,
)

Facts = dict[str, Fact]
Arrays = dict[str, Array]


def run(config: CyclicalConfig, context: Context) -> Record:
    """Run the three stages and return the record.

    Facts: ``images.…`` (the data set); ``lr_min``, ``lr_max`` and where they come from
    (``lr_source``), and for both range tests ``candidates.…`` and ``ramp.…`` with ``low``,
    ``high``, ``steepest``, ``minimum``, ``rises_at``, ``valley``; ``batch_min``, ``batch_max``,
    ``batch_used`` (the largest that the policies use), ``noise_scale.…``; for each policy, over seeds, ``best_accuracy.POLICY`` (validation),
    ``test_accuracy.POLICY``, ``final_loss.POLICY``, ``updates.POLICY``, and the paired
    ``difference.POLICY.POLICY`` (test accuracy) and ``best_difference.…``; ``images_per_second``.

    Arrays: ``examples``, ``per_class``; ``candidates.values``, ``candidates.losses`` (repeat,
    value), likewise ``ramp``, ``batch_epochs`` and ``batch_updates``; and for each policy
    ``curve.POLICY`` (seed, point, measure) with ``points.POLICY``, the images seen by then, and
    ``rates.POLICY``, ``sizes.POLICY``, ``samples.POLICY`` (step).

    Args:
        config: the study's parameters.
        context: run folder, data, device and progress.
    """
    started = time.perf_counter()
    dataset = data.load("fashion-mnist", folder=context.data, download=context.download)
    stages = Stages(config, context, dataset)
    facts, arrays = data_facts(dataset, config), data_arrays(dataset, config)
    rates = _rates(config, stages, facts, arrays)
    sizes = _sizes(config, stages, rates[0], facts, arrays)
    work = "cyclical_policies:policy_trial"
    results = stages.run(work, policy_trials(config, rates, sizes), "policies")
    by_policy: dict[str, list[TrialResult]] = {
        policy: [results[f"{policy}-{i}"] for i in range(config.seeds)]
        for policy in config.policies
    }
    facts |= policy_facts(by_policy)
    arrays |= policy_arrays(by_policy)
    notice = None if dataset.notice is None else dataset.name
    return Record(
        study=config.study,
        config=config.as_dict(),
        facts=facts,
        verdicts=answers(facts, config, notice),
        arrays=arrays,
        provenance=collect(
            seed=config.seed, started=started, device=context.device, data=dataset.sha256
        ),
        notices=() if dataset.notice is None else (dataset.notice,),
    )


def _rates(
    config: CyclicalConfig, stages: Stages, facts: Facts, arrays: Arrays
) -> tuple[float, float]:
    """Run the range tests of the learning rate; note what they show; return both bounds rounded."""
    trials = range_trials(config, stages.images)
    results = stages.run("cyclical_ranges:range_trial", trials, "learning-rate range")
    read: dict[str, Bounds] = {}
    for kind in ("ramp", "candidates"):
        values, losses = range_curve(results, kind, config.range_repeats)
        read[kind] = read_curve(values, losses, seed=config.seed)
        arrays[f"{kind}.values"] = Array(values, ("value",))
        arrays[f"{kind}.losses"] = Array(losses, ("repeat", "value"))
    low, high, source = chosen_rates(read["candidates"], read["ramp"], values, losses)
    facts |= rate_facts(read, low, high, source)
    return two_digits(low), two_digits(high)


def _sizes(
    config: CyclicalConfig, stages: Stages, rate: float, facts: Facts, arrays: Arrays
) -> tuple[int, int]:
    """Run the batch-size tests at the lower rate; note what they show; return both bounds."""
    tried = [size for size in config.batch_sizes if size <= stages.images]
    trials = batch_trials(config, tried, rate)
    results = stages.run("cyclical_batches:batch_trial", trials, "batch-size range")
    read: dict[str, Bounds] = {}
    values = np.array(tried, dtype=np.float64)
    for kind, reading in (("epochs", read_flipped), ("updates", read_straight)):
        losses = batch_losses(results, kind, tried, config.range_repeats)
        read[kind] = reading(values, losses, config.seed)
        arrays[f"batch_{kind}.values"] = Array(values, ("value",))
        arrays[f"batch_{kind}.losses"] = Array(losses, ("repeat", "value"))
    found, bounds = batch_facts(read, tried, stages.images)
    facts |= found
    facts["algorithm"] = Fact(algorithm.to_json())
    return bounds
