"""The page, the formatting of its numbers, and the look of its figures."""

import base64
import itertools
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import page_samples
from firstlight import figures, report
from firstlight.errors import RecordError
from firstlight.figures.style import COLOURS, GRID, INK, MUTED, Plot, look, new_figure
from firstlight.record import Fact, load, save
from firstlight.report import format as fmt
from firstlight.report import page, view

NOTICE = "Stand-in data: digits in the place of <MNIST>."


@pytest.fixture(autouse=True)
def _made_up_study(monkeypatch: pytest.MonkeyPatch) -> None:
    page_samples.install(monkeypatch)


@pytest.fixture(scope="module")
def html() -> str:
    """The page of the made-up record."""
    with pytest.MonkeyPatch.context() as patch:
        page_samples.install(patch)
        return report.render([page_samples.record()])


def plain(text: str) -> str:
    """Return text with ordinary spaces and minus signs."""
    return text.replace("\u202f", " ").replace("\u2212", "-")


# --- numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "places"),
    [
        (96.57, 96.73, 2),
        (0.0, 9.9, 1),
        (0.0, 10.0, 0),
        (0.0, 0.99, 2),
        (0.0, 1.0, 1),
        (350.0, 440.0, 0),
        (0.0, 1e-12, 8),
        (1.0, 1.0, None),
        (2.0, 1.0, None),
        (None, 1.0, None),
        (float("nan"), 1.0, None),
        (0.0, float("inf"), None),
    ],
)
def test_decimals_show_two_digits_of_the_width(
    low: float | None, high: float | None, places: int | None
) -> None:
    assert fmt.decimals(low, high) == places


@pytest.mark.parametrize("exponent", range(-5, 4))
def test_decimals_are_invariant_to_the_unit(exponent: int) -> None:
    """Between 10 and 99 units of the last decimal fit into the interval, at any scale."""
    width = 0.37 * 10.0**exponent
    places = fmt.decimals(0.0, width)
    assert places is not None
    if places > 0:
        assert 10 <= round(width * 10**places) <= 99


@pytest.mark.parametrize(
    ("fact", "kind", "value", "interval"),
    [
        (Fact(0.966532, 0.96571, 0.96735, 9), "percent", "96.65 %", "96.57 to 96.73 %"),
        (Fact(0.006379, 0.00571, 0.00705, 9), "points", "+0.64 points", "+0.57 to +0.70 points"),
        (Fact(-0.0005, -0.006, 0.005, 9), "points", "-0.1 points", "-0.6 to +0.5 points"),
        (Fact(-0.0001, -0.02, 0.02, 9), "points", "0.0 points", "-2.0 to +2.0 points"),
        (Fact(0.5, n=1), "percent", "50.00 %", "–"),
        (Fact(397.0, 380.0, 410.0, 9), "number", "397", "380 to 410"),
        (Fact(2.5, 1.0, 4.0, 9), "signed", "+2.5", "+1.0 to +4.0"),
        (Fact(20000), "count", "20,000", "–"),
        (Fact(0.966532, 0.96571, 0.96735), "{:.1%}", "96.7 %", "96.6 to 96.7 %"),
        (Fact(-1.5, -2.0, -1.0), "{:.2f}", "-1.50", "-2.00 to -1.00"),
        (Fact(None), "percent", "–", "–"),
        (Fact(None), "{:.1%}", "–", "–"),
        (Fact(float("nan")), "number", "–", "–"),
        (Fact(True), "percent", "yes", "–"),
        (Fact("few"), "number", "few", "–"),
    ],
)
def test_value_and_interval(fact: Fact, kind: str, value: str, interval: str) -> None:
    assert plain(fmt.value(fact, kind)) == value
    assert plain(fmt.interval(fact, kind)) == interval


def test_a_negative_number_has_a_true_minus_sign() -> None:
    assert fmt.value(Fact(-3.5)) == "\u22123.5"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (20, "20"),
        (-0.0, "0"),
        (0.98123, "0.9812"),
        (123456.7, "123,457"),
        (1e-9, "1 × 10⁻⁹"),
        (2.5e12 + 0.5, "2.5 × 10¹²"),
        (float("inf"), "–"),
    ],
)
def test_numbers_without_an_interval(value: float, text: str) -> None:
    assert plain(fmt.number(value)) == text


def test_estimate_names_the_interval_only_where_there_is_one() -> None:
    assert plain(fmt.estimate(Fact(0.5, 0.4, 0.6), "percent")) == "50 % (95 % interval 40 to 60 %)"
    assert plain(fmt.estimate(Fact(0.5), "percent")) == "50.00 %"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"kind: expected one of number, .* got 'percents'"):
        fmt.value(Fact(1.0), "percents")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Hinge, by 0.6 points. The gap is clear.", "Hinge, by 0.6 points."),
        ("One sentence only.", "One sentence only."),
        ("Compare Fig. 2 and e.g. Lu et al. The rest.", "Compare Fig. 2 and e.g. Lu et al. The rest."),
        ("Is it? Yes.", "Is it?"),
        ("", ""),
    ],
)  # fmt: skip
def test_first_sentence(text: str, first: str) -> None:
    assert fmt.first_sentence(text) == first


# --- figures -------------------------------------------------------------------------------


def _luminance(colour: str) -> np.ndarray:
    """Return linear RGB of a hex colour."""
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _contrast(colour: str) -> float:
    """Return the contrast against white (WCAG 2.1)."""
    return float(1.05 / (_luminance(colour) @ [0.2126, 0.7152, 0.0722] + 0.05))


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
def test_colours_can_be_told_apart(vision: str) -> None:
    """CIE 1976 differences; about 2.3 is just noticeable, 20 is plain even in a thin line."""
    seen = [_lab(VISION[vision] @ _luminance(colour)) for colour in COLOURS]
    gaps = {
        (COLOURS[i], COLOURS[j]): float(np.linalg.norm(seen[i] - seen[j]))
        for i, j in itertools.combinations(range(len(COLOURS)), 2)
    }
    assert min(gaps.values()) > 20, min(gaps, key=lambda pair: gaps[pair])


def test_colours_stand_out_against_white() -> None:
    assert min(map(_contrast, COLOURS)) >= 3.0  # WCAG 2.1, graphical objects
    assert min(map(_contrast, (INK, MUTED))) >= 4.5  # text
    assert _contrast(GRID) < 1.5  # recedes


def test_the_look_leaves_the_users_settings_alone() -> None:
    with matplotlib.rc_context({"font.size": 31.0, "axes.grid": False}):
        with look():
            assert matplotlib.rcParams["font.size"] == 9.0
        assert matplotlib.rcParams["font.size"] == 31.0


def test_a_users_own_style_does_not_change_a_figure() -> None:
    sample = page_samples.record()
    usual = figures.to_svg(page_samples.PLOTS[0].figure(sample))
    with matplotlib.rc_context({"font.size": 31.0, "axes.facecolor": "red", "svg.hashsalt": "x"}):
        assert figures.to_svg(page_samples.PLOTS[0].figure(sample)) == usual


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


def test_a_study_without_figures_is_named() -> None:
    with pytest.raises(ValueError, match="study: expected one that has figures, got 'nothing'"):
        figures.plots("nothing")


def test_save_writes_the_same_svg(tmp_path: Path) -> None:
    drawn = page_samples.PLOTS[0].figure(page_samples.record())
    path = figures.save(drawn, tmp_path / "figure.svg")
    assert path.read_bytes() == figures.to_svg(drawn)
    assert b"<dc:date>" not in path.read_bytes()


# --- the page ------------------------------------------------------------------------------


class Outline(HTMLParser):
    """Collects what the tests ask of a page: tags, attributes and visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_same_records_give_the_same_page(html: str) -> None:
    assert report.render([page_samples.record()]) == html


def test_the_page_refers_to_nothing_outside_itself(html: str) -> None:
    outline = Outline(html)
    targets = [
        value
        for _, attributes in outline.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert targets
    assert all(t is not None and t.startswith(("#", "data:")) for t in targets)
    assert not outline.all("script")
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_every_link_leads_somewhere_and_ids_are_unique(html: str) -> None:
    outline = Outline(html)
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [str(a["href"])[1:] for a in outline.all("a")]
    assert {"perceptron", "question-1-1", "question-1-3"} <= set(links)
    assert set(links) <= set(ids)


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    evil = "<script>alert('verdict')</script>"
    sample = page_samples.record(
        verdicts={"1.1": evil},
        notices=(NOTICE,),
        config={"train_points": evil, "repeats": 3, "seed": '"><img src=x>'},
    )
    outline = Outline(report.render([sample]))
    assert not outline.all("script")
    assert len(outline.all("img")) == 2
    for text in (evil, NOTICE, "alert('facts')", '"><img src=x>', "Accuracies <b>of all</b> runs."):
        assert text in outline.text


def test_figures_are_embedded_with_their_words(html: str) -> None:
    images = Outline(html).all("img")
    assert [image["alt"] for image in images] == ["Rising curves.", "A histogram, seed 0."]
    for image in images:
        kind, data = str(image["src"]).split(",", 1)
        assert kind == "data:image/svg+xml;base64"
        assert b"<svg" in base64.b64decode(data, validate=True)[:600]
    assert [image["width"] for image in images] == ["720", "499"]


def test_facts_stand_with_interval_and_n(html: str) -> None:
    text = plain(re.sub(r"\s*\n\s*", " ", Outline(html).text))
    row = "Accuracy, hinge loss97.29 %97.22 to 97.36 %2,000"
    assert row in text
    assert "It classifies 96.65 % (95 % interval 96.57 to 96.73 %) of the unit square" in text


def test_the_glance_gives_each_question_the_start_of_its_answer(html: str) -> None:
    glance = Outline(html.split('class="glance"')[1].split("</table>")[0]).text
    assert "On average 96.65 % of the unit square." in glance
    assert "A single set may differ" not in glance
    assert "A single set may differ" in Outline(html).text
    assert "Which of them, and why?Not answered by this run." in glance.replace("\n", "")


def test_notices_lead_the_page_once_and_only_where_there_are_some(html: str) -> None:
    assert 'class="notice"' not in html
    sample = page_samples.record(notices=(NOTICE,))
    noted = report.render([sample, sample])
    assert noted.count("Please note.") == 1
    assert noted.index("Please note.") < noted.index("<main")


def test_columns_of_numbers_stand_on_the_right(html: str) -> None:
    heads = re.findall(r'<th scope="col"( class="num")?>([^<]*)</th>', html)
    assert (' class="num"', "Mean β") in heads
    assert ("", "Layer") in heads
    assert all(a.get("scope") for a in Outline(html).all("th"))
    assert html.count("<table") == html.count("<caption")


def test_write_leaves_the_page_and_its_figures(tmp_path: Path) -> None:
    save(page_samples.record(), tmp_path / "perceptron")
    path = report.write(tmp_path)
    assert path == tmp_path / "index.html"
    loaded = load(tmp_path / "perceptron")
    assert path.read_text(encoding="utf-8") == report.render([loaded])
    drawn = sorted(p.name for p in (tmp_path / "perceptron").glob("*.svg"))
    assert drawn == ["narrow.svg", "wide.svg"]
    first = path.read_bytes()
    report.write(tmp_path)
    assert path.read_bytes() == first
    leftovers = [p.name for p in tmp_path.rglob(".*")]
    assert not leftovers


def test_an_empty_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"expected any of perceptron/record.json.*found none"):
        report.write(tmp_path)
    with pytest.raises(RecordError, match="expected at least 1 record"):
        report.render([])
    assert not list(tmp_path.iterdir())


def test_a_broken_record_leaves_the_old_page(tmp_path: Path) -> None:
    save(page_samples.record(), tmp_path / "perceptron")
    report.write(tmp_path)
    before = (tmp_path / "index.html").read_bytes()
    save(page_samples.record(facts={}), tmp_path / "perceptron")
    with pytest.raises(RecordError, match="lacks; run the study again"):
        report.write(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == before


def test_a_study_without_a_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecordError, match="expected a study that has a page"):
        report.render([page_samples.record(study="unheard-of")])


@pytest.mark.parametrize(
    ("template", "error", "message"),
    [
        ("{{ fact('accuracy.hinges') }}", RecordError, "expected the fact 'accuracy.hinges'"),
        ("{{ figure('wider') }}", ValueError, "expected one of wide, narrow, never, got 'wider'"),
        ("{{ table(['a', 'b'], [[1, 2], [3]]) }}", ValueError, "row 1: expected 2 cells, got 1"),
        ("{{ facts([('a', 'accuracy.hinges')]) }}", RecordError, "expected the fact"),
    ],
)
def test_a_mistake_in_a_template_is_named(
    monkeypatch: pytest.MonkeyPatch, template: str, error: type[Exception], message: str
) -> None:
    head = page_samples.TEMPLATE.strip().splitlines()[0]
    page_samples.install(monkeypatch, head + template)
    with pytest.raises(error, match=message):
        report.render([page_samples.record()])


def test_optional_rows_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    head = page_samples.TEMPLATE.strip().splitlines()[0]
    rows = "[('here', 'accuracy.hinge', 'percent'), ('absent', 'no.such')]"
    page_samples.install(monkeypatch, head + "{{ facts(" + rows + ", 'c', optional=true) }}")
    made = report.render([page_samples.record()])
    assert "here" in made
    assert "absent" not in made


def test_parameters_carry_their_units() -> None:
    rows = page.parameters(page_samples.record())
    assert ("train_points", "20", "points") in rows
    assert ("repeats", "2,000", "training sets") in rows


def test_a_plot_takes_words_or_functions() -> None:
    sample = page_samples.record()
    made = Plot("p", page_samples.narrow, "caption", lambda r: r.study)
    assert (made.caption_for(sample), made.alt_for(sample)) == ("caption", "perceptron")
    assert made.when(sample)


def test_a_grid_of_words_is_not_numeric() -> None:
    view_ = view.View(page_samples.record(), {}, view.Numbering())
    grid = view_.grid(["a", "b", "c"], [["C1", 1.5, None], ["C3", -2, "few"]], "")
    assert grid.numeric == [False, True, False]
    assert grid.rows[1][1] == "\u22122"


def test_making_the_page_never_imports_torch(tmp_path: Path) -> None:
    save(page_samples.record(), tmp_path / "perceptron")
    code = (
        "import sys, pkgutil, importlib, pytest, page_samples\n"
        "from firstlight import figures, report\n"
        "for m in pkgutil.iter_modules(figures.__path__):\n"
        "    importlib.import_module('firstlight.figures.' + m.name)\n"
        "page_samples.install(pytest.MonkeyPatch())\n"
        "report.write(sys.argv[1])\n"
        "print([m for m in ('torch', 'numba', 'sklearn', 'matplotlib.pyplot') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
