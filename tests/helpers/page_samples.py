"""Records of the sample study, so that the page is tested without running anything."""

from typing import Any

import numpy as np
import pytest

from firstlight.record import Array, Arrays, Fact, Facts, Record, Verdict
from firstlight.studies import REGISTRY
from firstlight.studies.study import Study
from sample_study.config import SampleConfig

HOSTILE = "<script>alert('facts')</script>"


class Altered(Study):
    """The sample study with another template, and with a published run."""

    template: str | None = None
    twin: Record | None = None

    def page(self) -> str:
        """Return the template of the test, or the study's own."""
        return self.template or super().page()

    def published(self) -> Record | None:
        """Return the published run of the test."""
        return self.twin


def sample_facts() -> Facts:
    """Return facts with known intervals, and one that is hostile."""
    facts = Facts()
    facts.put("accuracy", Fact(0.966532, 0.96571, 0.96735, 2000), criterion="perceptron")
    facts.put("accuracy", Fact(0.972911, 0.97224, 0.97358, 2000), criterion="hinge")
    facts.put("accuracy", Fact(0.006379, 0.00571, 0.00705, 2000), criterion="difference")
    facts.put("remark", Fact(HOSTILE))
    return facts


def record(**changes: Any) -> Record:
    """Return the sample study's record."""
    rise = 100 - 12 * np.exp(-np.arange(40) / 9)[None, :] * np.array([1.0, 1.3, 0.7])[:, None]
    arrays = Arrays()
    arrays.put("accuracy", Array(rise, ("set", "epoch")))
    hashes = {"train-images.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a402"}
    content: dict[str, Any] = {
        "study": "sample",
        "config": {"train_points": 20, "repeats": 2000, "learning_rate": 1e-9, "seed": 0},
        "facts": sample_facts(),
        "verdicts": {
            "1.1": Verdict("1.1", "answered", "On average 96.65 % of the unit square."),
            "1.2": Verdict("1.2", "better", "Yes, by 0.64 points on average.", decision="hinge"),
        },
        "arrays": arrays,
        "provenance": {
            "versions": {"firstlight": "0.1.0", "python": "3.12.1", "numpy": "2.1.0"},
            "processor": "Example processor <4 GHz>",
            "work": [
                {
                    "label": "sets", "trials": 10, "seconds": 12.5, "workers": 2,
                    "kind": "processes", "threads": 1,
                }
            ],
            "seed": 0,
            "data_sha256": hashes,
            "images": "6,000 training images of <MNIST>",
            "duration_s": 1.234,
        },
        "notices": (),
    }  # fmt: skip
    return Record(**{**content, **changes})


def published(**changes: Any) -> Record:
    """Return a larger run of the sample study, whose answer to 1.2 is another."""
    content: dict[str, Any] = {
        "config": {"train_points": 20, "repeats": 9000, "learning_rate": 1e-9, "seed": 0},
        "verdicts": {
            "1.1": Verdict("1.1", "answered", "On average 96.61 % of the unit square."),
            "1.2": Verdict("1.2", "no-difference", "No.", decision="no-difference"),
        },
        "arrays": Arrays(),
    }
    return record(**{**content, **changes})


def install(
    monkeypatch: pytest.MonkeyPatch, template: str | None = None, twin: Record | None = None
) -> None:
    """Register the sample study for the length of a test."""
    study = Altered(SampleConfig)
    object.__setattr__(study, "template", template)
    object.__setattr__(study, "twin", twin)
    monkeypatch.setitem(REGISTRY, "sample", study)
