"""The look of the figures: colors, notices, the user's own settings left alone."""

import itertools
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import page_samples
from firstlight import plotting
from firstlight.plotting.style import COLORS, GRID, INK, MUTED, Plot, look, new_figure
from sample_study.figures import PLOTS, narrow

NOTICE = "60,000 training images of <MNIST> were asked for and 6,000 were there."


def _luminance(color: str) -> np.ndarray:
    """Return linear RGB of a hex color."""
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _contrast(color: str) -> float:
    """Return the contrast against white (WCAG 2.1)."""
    return float(1.05 / (_luminance(color) @ [0.2126, 0.7152, 0.0722] + 0.05))


# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip


def _lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIE L*a*b* (D65) of linear RGB."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    t = to_xyz @ np.clip(rgb, 0, 1) / to_xyz.sum(axis=1)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_colors_can_be_distinguished(vision: str) -> None:
    """CIE 1976 differences; about 2.3 is just noticeable, 20 is plain even in a thin line."""
    seen = [_lab(VISION[vision] @ _luminance(color)) for color in COLORS]
    gaps = {
        (COLORS[i], COLORS[j]): float(np.linalg.norm(seen[i] - seen[j]))
        for i, j in itertools.combinations(range(len(COLORS)), 2)
    }
    assert min(gaps.values()) > 20, min(gaps, key=lambda pair: gaps[pair])


def test_colors_stand_out_against_white() -> None:
    assert min(map(_contrast, COLORS)) >= 3.0  # WCAG 2.1, graphical objects
    assert min(map(_contrast, (INK, MUTED))) >= 4.5  # text
    assert _contrast(GRID) < 1.5  # recedes


def test_the_look_leaves_the_users_settings_alone() -> None:
    with matplotlib.rc_context({"font.size": 31.0, "axes.grid": False}):
        with look():
            assert matplotlib.rcParams["font.size"] == 9.0
        assert matplotlib.rcParams["font.size"] == 31.0


def test_a_users_own_style_does_not_change_a_figure() -> None:
    sample = page_samples.record()
    usual = plotting.to_svg(PLOTS[0].figure(sample))
    with matplotlib.rc_context({"font.size": 31.0, "axes.facecolor": "red", "svg.hashsalt": "x"}):
        assert plotting.to_svg(PLOTS[0].figure(sample)) == usual


def test_a_notice_is_stamped_and_adds_its_own_room() -> None:
    quiet, _ = new_figure("full", 3.0, record=page_samples.record())
    loud, _ = new_figure("full", 3.0, record=page_samples.record(notices=(NOTICE,)))
    assert [t.get_text() for t in loud.texts] == [NOTICE]
    assert not quiet.texts
    assert quiet.get_figheight() == 3.0
    assert loud.get_figheight() > 3.0
    loud.draw_without_rendering()
    bottom = loud.axes[0].get_tightbbox().y0
    assert loud.texts[0].get_window_extent().y1 < bottom


@pytest.mark.parametrize(("rows", "cols", "shape"), [(1, 3, (3,)), (2, 1, (2,)), (2, 3, (2, 3))])
def test_panels_have_the_documented_shape(rows: int, cols: int, shape: tuple[int, ...]) -> None:
    _, axes = new_figure(rows=rows, cols=cols, record=page_samples.record())
    assert axes.shape == shape


def test_an_unknown_width_is_refused() -> None:
    with pytest.raises(ValueError, match="width: expected full or narrow or inches, got 'half'"):
        new_figure("half", record=page_samples.record())


def test_save_writes_the_same_svg(tmp_path: Path) -> None:
    drawn = PLOTS[0].figure(page_samples.record())
    path = plotting.save(drawn, tmp_path / "figure.svg")
    assert path.read_bytes() == plotting.to_svg(drawn)
    assert b"<dc:date>" not in path.read_bytes()


def test_a_plot_takes_words_or_functions() -> None:
    sample = page_samples.record()
    made = Plot("p", narrow, "caption", lambda r: r.study)
    assert (made.caption_for(sample), made.alt_for(sample)) == ("caption", sample.study)
    assert made.when(sample)
