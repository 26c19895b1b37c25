"""What the run adds to its record for the page: classes to show, ends of curves, peaks, noise."""

from itertools import combinations

import numpy as np
import pytest

from cyclical_samples import bars
from firstlight.record import Facts, Record
from firstlight.studies.cyclical.bounds import put_ends
from firstlight.studies.cyclical.run import unlike


def test_the_classes_shown_differ_most_in_their_mean_images() -> None:
    data = bars()
    means = [
        data.train_images[data.train_labels == label].astype(float).mean(axis=0)
        for label in range(10)
    ]
    apart = {
        some: min(np.square(means[a] - means[b]).sum() for a, b in combinations(some, 2))
        for some in combinations(range(10), 3)
    }
    assert apart[unlike(data)] == max(apart.values())  # type: ignore[index]  # three of them


def test_the_ends_of_a_curve_are_paired_over_repeats() -> None:
    facts = Facts()
    put_ends(facts, "batch_epochs", np.array([[1.0, 2.0, 2.5], [1.2, 2.0, 2.9]]))
    assert facts.value("batch_loss", test="batch_epochs", place="smallest") == pytest.approx(1.1)
    assert facts.value("batch_loss", test="batch_epochs", place="largest") == pytest.approx(2.7)
    change = facts.get("batch_change", test="batch_epochs")
    assert float(change) == pytest.approx(1.6)
    assert change.low is not None
    assert change.low < 1.5
    put_ends(facts, "batch_updates", np.array([[1.0, 2.0]]))
    assert facts.get("batch_change", test="batch_updates").low is None


def test_a_cycle_has_one_peak_and_the_first_reaches_lr_max(made: Record) -> None:
    peaks = [float(entry.value) for entry in made.facts.select("peak_rate").entries()]
    assert len(peaks) == made.config["cycles"]
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[0] == pytest.approx(made.facts.value("lr_max"), rel=0.1)
    assert peaks[0] == made.arrays.get("rates", policy="cyclical_rate").values.max()


def test_the_growth_of_the_noise_scale_is_that_of_its_means(made: Record) -> None:
    before, after = (made.facts.value("noise_scale", when=when) for when in ("before", "after"))
    growth = made.facts.get("noise_growth")
    assert float(growth) == pytest.approx(after / before)
    assert growth.n == made.config["seeds"]
