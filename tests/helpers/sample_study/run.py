"""Draw accuracies at random, with known means."""

import numpy as np

from firstlight import stats
from firstlight.context import Context
from firstlight.record import Array, Arrays, Fact, Facts
from firstlight.seeds import generator
from firstlight.studies.study import Results
from sample_study.config import SampleConfig
from sample_study.labels import CRITERIA


def run(config: SampleConfig, context: Context) -> Results:
    """Return the accuracies of both criteria."""
    facts, arrays = Facts(), Arrays()
    rise = 100 - 12 * np.exp(-np.arange(40) / 9)[None, :] * np.array([1.0, 1.3, 0.7])[:, None]
    arrays.put("accuracy", Array(rise, ("set", "epoch")))
    drawn = {}
    for place, name in enumerate(CRITERIA):
        noise = generator(config.seed, "sample", name).normal(0, 0.02, config.repeats)
        drawn[name] = 0.96 + 0.01 * place + noise
        facts.put("accuracy", stats.mean(drawn[name]), criterion=name)
        context.progress("sets", place + 1, len(CRITERIA))
    difference = stats.paired_difference(drawn["hinge"], drawn["perceptron"])
    facts.put("accuracy", difference, criterion="difference")
    facts.put("remark", Fact("none"))
    return Results(facts, arrays)
