"""Problem 2.1: why signals and gradients vanish or explode, and what Xavier and He do about it."""

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from firstlight import data
from firstlight.studies.initialization.config import InitializationConfig
from firstlight.context import Context
from firstlight.meanfield import Prediction
from firstlight.record.provenance import collect
from firstlight.record import Array, Fact, Record
from firstlight.studies.initialization.answers import answer
from firstlight.studies.initialization.data import Images, images
from firstlight.studies.initialization.facts import Measured, Predictions, all_facts
from firstlight.studies.initialization.training import checkpoints
from firstlight.studies.initialization.theory import grouped, predicted
from firstlight.studies.initialization.trials import perform
from firstlight.studies.initialization.experiments import DEEP_IMAGES, Arrays

KINDS = ("activation", "init")
GROUPS = 16
"""Groups of images of similar size for which a prediction is made."""


def run(config: InitializationConfig, context: Context) -> Record:
    """Measure every network before training, train each for some steps, and answer question 2.1.

    Facts for each ACTIVATION.INIT.LAYER before training (mean over seeds with t interval, n =
    seeds): ``activation_std``, ``activation_mean``, ``z_std`` and ``gradient_std`` (of the gradient
    of each image's loss with respect to the layer's Z-values), over units and images; ``saturated``
    (share with |φ′| below 5 % of its largest value; for ReLU, of zeros); ``mean_square`` of
    activations; and what theory expects: ``prediction`` (of ``activation_std``),
    ``predicted_square``, ``predicted_saturated``, ``prediction_gradient`` (root mean square, from
    the last layer's measured one).

    For each ACTIVATION.INIT: ``ratio.activation`` (last hidden layer over first) and
    ``ratio.gradient`` (first over last), geometric means over networks, with ``predicted_ratio.…``;
    ``loss_before``, ``loss_after`` and ``diverged`` (share of losses cut at 100 nats) of the short
    trainings. For pairs of initializations, paired over seeds: ``closer.KIND.ACTIVATION.A.B``
    (|log₁₀ ratio| of A minus that of B; negative where A is closer to one) and
    ``difference.loss.ACTIVATION.A.B``. ``agreement.….checked``, ``.within`` (simultaneous intervals)
    and ``.within_single`` count the layers where the prediction lies in the interval of the measured
    mean square; for ``deep_…`` in the deep networks. ``ball.…`` are those of Godoy's network.

    Args:
        config: the study's parameters.
        context: run folder, data, device and progress.
    """
    started = time.perf_counter()
    dataset = data.load("mnist", folder=context.data, download=context.download)
    seen = images(dataset, config, context.device)
    found = Measured(config, perform(config, seen, dataset.fingerprint, context))
    expected = _expected(found, seen, deep=False)
    deep = _expected(found, seen, deep=True)
    facts = all_facts(found, expected, deep)
    facts["data"], facts["images"] = Fact(dataset.name), Fact(len(seen.x))
    stand_in = None if dataset.notice is None else dataset.name
    return Record(
        study=config.study,
        config=config.as_dict(),
        facts=facts,
        verdicts={"2.1": answer(facts, config, stand_in)},
        arrays=all_arrays(found, deep),
        provenance=collect(
            seed=config.seed, started=started, device=context.device, data=dataset.sha256
        ),
        notices=() if dataset.notice is None else (dataset.notice,),
    )


def _expected(found: Measured, seen: Images, deep: bool) -> Predictions:
    """Return the predictions; the deep networks see the first images only."""
    layers = found.config.depth if deep else found.config.layers
    squares = grouped(seen.squares, GROUPS) if not deep else grouped(seen.squares[:DEEP_IMAGES], 2)
    return {pair: predicted(found.config, *pair, squares, layers) for pair in found.pairs()}


def _pooled(samples: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the sampled values of all networks together: seeds first → values last."""
    moved = np.moveaxis(samples, 0, -2)
    return np.ascontiguousarray(moved.reshape(*moved.shape[:-2], -1))


def _deep_arrays(found: Measured, deep: Mapping[tuple[str, str], Prediction]) -> dict[str, Array]:
    """Return measured and predicted mean squares in the deep networks.

    Gradients are those of each layer over those of the last.
    """
    squares = np.asarray(found.results["deep"]["square"], dtype=np.float64).copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        squares[..., 1] /= squares[..., -1:, 1]
    each = [np.stack([p.activation_square, p.gradient_ratio], axis=-1) for p in deep.values()]
    expected = np.stack(each).reshape(squares.shape[1:])
    axes = (*KINDS, "layer", "activation_gradient")
    return {
        "deep.measured": Array(squares, ("seed", *axes)),
        "deep.predicted": Array(expected, axes),
    }


def all_arrays(found: Measured, deep: Predictions) -> dict[str, Array]:
    """Return every array of the study.

    ``before.measured`` and ``after.measured``: each network in each layer; ``before.sample`` and
    ``after.sample``: single values of Z, activation and gradient; ``loss.curve`` at ``loss.steps``;
    ``deep.…``, and ``ball.sample``: Z-values, activations, weights, gradients of weights.
    """
    results: Mapping[str, Arrays] = found.results
    measured, sample = ("seed", *KINDS, "layer", "measure"), (*KINDS, "layer", "kind", "value")
    arrays = {
        "before.measured": Array(results["before"]["measured"], measured),
        "before.sample": Array(_pooled(results["before"]["sample"]), sample),
    } | _deep_arrays(found, deep)
    if "learning" in results:
        learned, steps = results["learning"], np.array(checkpoints(found.config.steps))
        ball = _pooled(results["ball"]["sample"])
        arrays |= {
            "after.measured": Array(learned["measured"], measured),
            "after.sample": Array(_pooled(learned["sample"]), sample),
            "loss.curve": Array(learned["loss"], ("seed", *KINDS, "step")),
            "loss.steps": Array(steps, ("step",)),
            "ball.sample": Array(ball, ("pair", "layer", "kind", "value")),
        }
    return arrays
