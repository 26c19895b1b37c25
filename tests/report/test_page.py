"""The page: what it shows, what it escapes, what it refuses, and that it needs nothing else."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

import page_samples
from firstlight import report
from firstlight.errors import RecordError
from firstlight.record import Facts, Verdict, load, save
from firstlight.report import page
from firstlight.report.view import Numbering, View
from firstlight.studies import REGISTRY

NOTICE = "60,000 training images of <MNIST> were asked for and 6,000 were there."


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
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("\u2212", "-")


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
    assert {"glance", "sample", "question-1-1", "question-1-3", "provenance"} <= set(links)
    assert set(links) <= set(ids)


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    evil = "<script>alert('verdict')</script>"
    sample = page_samples.record(
        verdicts={"1.1": Verdict("1.1", "answered", evil)},
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
        assert kind == "data:image/svg+xml"
        assert ElementTree.fromstring(unquote(data)).tag == "{http://www.w3.org/2000/svg}svg"
    assert [image["width"] for image in images] == ["720", "499"]


def test_facts_stand_with_interval_and_n(html: str) -> None:
    text = plain(re.sub(r"\s*\n\s*", " ", Outline(html).text))
    row = "Accuracy, hinge loss97.29 %97.22 to 97.36 %2,000"
    assert row in text
    assert "It classifies 96.65 % (95 % interval 96.57 to 96.73 %) of the unit square" in text


def test_the_glance_gives_each_question_its_sign_and_headline(html: str) -> None:
    glance = html.split('class="glance"')[1].split("</table>")[0]
    text = Outline(glance).text
    assert "On average 96.65\u202f% of the unit square." in text
    assert "A single set may differ" not in text
    assert "A single set may differ" in Outline(html).text
    rows = glance.split("<tr>")[2:]
    assert [re.findall(r'aria-label="([^"]*)" title="[^"]*">(.)<', row) for row in rows] == [
        [("answered", "✓")], [("decided", "✓")], [("not run", "–")],
    ]  # fmt: skip
    assert "Not answered by this run." in rows[2]
    caption = Outline(glance.split("</caption>")[0]).text
    assert "✓ answered or decided" in caption
    assert "not run" in caption
    assert "could not be determined" not in caption


def test_the_answer_stands_below_its_question(html: str) -> None:
    for number in ("1-1", "1-2", "1-3"):
        after = html.split(f'<h3 id="question-{number}">')[1].split("</h3>")[1]
        assert after.strip().startswith('<div class="verdict"')


def test_the_published_run_stands_beside_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "draw_all", lambda study, record: {})
    template = "{% from 'macros.html' import question, verdict with context %}" + "".join(
        f"{{{{ question('{n}', 'What?') }}}}{{{{ verdict('{n}') }}}}" for n in ("1.1", "1.2", "1.3")
    )
    twin = page_samples.published()
    page_samples.install(monkeypatch, template, twin)
    text = plain(Outline(report.render([page_samples.record()])).text)
    assert text.count("Published run (9,000 training sets):") == 2
    assert "9,000 training sets): On average 96.61 % of the unit square.\n" in text
    assert "= Published run (9,000 training sets): No. The two runs disagree" in text
    same = dict(page_samples.record().verdicts)
    same["1.2"] = Verdict("1.2", "no-difference", "No.", decision="no-difference")
    agreed = Outline(report.render([page_samples.record(verdicts=same)])).text
    assert "No. The two runs agree." in agreed
    assert "or is marked as that of the published run." in agreed
    itself = report.render([twin])
    assert "Published" not in itself
    assert "published run" not in itself


def test_no_published_run_no_word_of_it(html: str) -> None:
    assert "Published" not in html
    assert "agree" not in Outline(html).text


def test_folded_parts_and_code_are_closed(html: str) -> None:
    folds = Outline(html).all("details")
    assert len(folds) == 4
    assert not [fold for fold in folds if "open" in fold]
    assert "Code: how a sentence begins" in html
    assert "return text[:1].upper() + text[1:]" in Outline(html).text


def test_chapters_that_share_a_problem_have_the_numbers_of_their_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record, numbering = page_samples.record(), Numbering()
    views = [View(REGISTRY["sample"], record, {}, numbering) for _ in range(3)]
    for view, problem, questions in zip(
        views, ("1", "2", "2"), (("1.1", "1.2"), ("2.1",), ("2.2", "2.3")), strict=True
    ):
        view.note_title(problem, "A title")
        for number in questions:
            view.add_question(number, "What?")
    assert page._numbers(views) == ["1", "2.1", "2.2–2.3"]


def test_notices_lead_the_page_once_and_only_where_there_are_some(html: str) -> None:
    assert 'class="notice"' not in html
    sample = page_samples.record(notices=(NOTICE,))
    noted = report.render([sample, sample])
    assert noted.count("Please note.") == 1
    assert noted.index("Please note.") < noted.index("<main")


def test_columns_of_numbers_stand_on_the_right(html: str) -> None:
    heads = re.findall(r'<th scope="col"(?: role="\w+")?( class="num")?>([^<]*)</th>', html)
    assert (' class="num"', "Mean β") in heads
    assert ("", "Layer") in heads
    assert all(a.get("scope") for a in Outline(html).all("th"))
    assert html.count("<table") == html.count("<caption")


def test_write_leaves_the_page_and_its_figures(tmp_path: Path) -> None:
    save(page_samples.record(), tmp_path / "sample")
    path = report.write(tmp_path)
    assert path == tmp_path / "index.html"
    loaded = load(tmp_path / "sample")
    assert path.read_text(encoding="utf-8") == report.render([loaded])
    drawn = sorted(p.name for p in (tmp_path / "sample").glob("*.svg"))
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
    save(page_samples.record(), tmp_path / "sample")
    report.write(tmp_path)
    before = (tmp_path / "index.html").read_bytes()
    save(page_samples.record(facts=Facts(), verdicts={}), tmp_path / "sample")
    with pytest.raises(RecordError, match="lacks; run the study again"):
        report.write(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == before


def test_a_record_of_an_unknown_study_is_named() -> None:
    with pytest.raises(RecordError, match=r"known study.*got 'unheard-of'"):
        report.render([page_samples.record(study="unheard-of")])


HEAD = '{% from "macros.html" import figure, sheet, facts, table with context %}'


@pytest.mark.parametrize(
    ("template", "error", "message"),
    [
        ("{{ fact('accuracy', criterion='zero') }}", RecordError, "'accuracy' at criterion zero"),
        ("{{ figure('wider') }}", ValueError, "expected one of wide, narrow, never, got 'wider'"),
        ("{{ sheet('scale') }}", ValueError, "expected one of scales, absent, got 'scale'"),
        ("{{ table(['a', 'b'], [[1, 2], [3]]) }}", ValueError, "row 1: expected 2 cells, got 1"),
        ("{{ facts([('a', 'hinges', {})]) }}", RecordError, "expected the fact 'hinges'"),
    ],
)
def test_a_mistake_in_a_template_is_named(
    monkeypatch: pytest.MonkeyPatch, template: str, error: type[Exception], message: str
) -> None:
    monkeypatch.setattr(page, "draw_all", lambda study, record: {})
    page_samples.install(monkeypatch, HEAD + template)
    with pytest.raises(error, match=message):
        report.render([page_samples.record()])


def test_optional_rows_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "draw_all", lambda study, record: {})
    rows = "[('here', 'accuracy', {'criterion': 'hinge'}, 'percent'), ('absent', 'no', {})]"
    page_samples.install(monkeypatch, HEAD + "{{ facts(" + rows + ", 'c', optional=true) }}")
    made = report.render([page_samples.record()])
    assert "here" in made
    assert "absent" not in made


def test_the_images_are_named_at_the_top(html: str) -> None:
    assert html.index("6,000 training images of &lt;MNIST&gt;") < html.index("<nav")


def test_making_the_page_never_imports_torch(tmp_path: Path) -> None:
    save(page_samples.record(), tmp_path / "sample")
    code = (
        "import sys, pytest, page_samples\n"
        "from firstlight import report\n"
        "from firstlight.studies import REGISTRY\n"
        "for study in REGISTRY.values():\n"
        "    study.plots(), study.sheets(), study.page(), study.remarks\n"
        "page_samples.install(pytest.MonkeyPatch())\n"
        "report.write(sys.argv[1])\n"
        "print([m for m in ('torch', 'numba', 'sklearn', 'matplotlib.pyplot') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(page_samples.__file__).parent)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
