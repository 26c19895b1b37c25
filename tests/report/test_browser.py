"""The page as a reader sees it: opened in a headless Chromium, wide, on a phone and on paper."""

import itertools
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

WIDTHS = (1280, 390)
TALLEST, PAGES, BYTES = 22_000, 30, 3_000_000
"""What a reader finishes: pixels at 1280, pages of A4, and what a link brings."""

# What a reader would see as broken, found in the laid-out page. Each returns a list of complaints.
OUTSIDE = """() => {
  const edge = document.documentElement.clientWidth + 1;
  const name = e => `${e.tagName.toLowerCase()} "${(e.innerText || e.alt || '').slice(0, 40)}"`;
  return [...document.body.querySelectorAll('*')]
    .filter(e => !e.closest('.scroll *') && e.getBoundingClientRect().right > edge).map(name);
}"""
WIDER = """() => [...document.querySelectorAll('main :is(table, figure, img, pre, .verdict, .formula)')]
  .filter(e => e.checkVisibility())
  .map(e => [e, e.getBoundingClientRect(), e.parentElement.closest('main, details, figure')])
  .filter(([, box, column]) => box.right > column.getBoundingClientRect().right + 1)
  .map(([e, box]) => `${e.tagName} ${Math.round(box.width)} ${(e.innerText || e.alt).slice(0, 60)}`)"""
OVERLAPS = """() => {
  const found = [];
  for (const parent of document.querySelectorAll('body, header, main, section, figure, nav, td')) {
    const boxes = [...parent.children].filter(e => !e.matches('.skip, .unseen'))
      .map(e => [e, e.getBoundingClientRect()]).filter(([, b]) => b.width && b.height);
    boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
      const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (wide > 1 && high > 1) found.push(`${a.outerHTML.slice(0, 60)} | ${b.outerHTML.slice(0, 60)}`);
    }));
  }
  return found;
}"""
CLIPPED = """() => [...document.body.querySelectorAll('*')]
  .filter(e => { const s = getComputedStyle(e);
    return s.clipPath === 'none' && !e.closest('nav')
      && (['hidden', 'clip'].includes(s.overflowX) || ['hidden', 'clip'].includes(s.overflowY)); })
  .filter(e => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
  .map(e => e.outerHTML.slice(0, 80))"""
IMAGES = """() => [...document.images]
  .map(i => [i.complete, i.naturalWidth, i.alt, i.getBoundingClientRect().width])"""
SPILL = """() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"""
HEIGHT = "document.documentElement.scrollHeight"
UNFOLD = "document.querySelectorAll('details').forEach(d => { d.open = true })"
CURRENT = "[...document.querySelectorAll('nav a')].filter(a => a.matches(':target-current')).map(a => a.hash)"


def _check_layout(tab: Any) -> None:
    scroll, client = tab.evaluate(SPILL)
    assert scroll <= client
    assert tab.evaluate(OUTSIDE) == []
    assert tab.evaluate(WIDER) == []
    assert tab.evaluate(OVERLAPS) == []
    assert tab.evaluate(CLIPPED) == []


def test_the_page_is_one_that_a_reader_finishes(browser: Any, published: Path) -> None:
    assert published.stat().st_size <= BYTES
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(published.as_uri())
    assert tab.evaluate(HEIGHT) <= TALLEST
    pdf = tab.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) <= PAGES
    tab.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_opens_without_complaint_or_network(visit: Any, path: Path, width: int) -> None:
    _, complaints, requests = visit(width)
    assert complaints == []
    assert [r for r in requests if r != path.as_uri() and not r.startswith("data:")] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows_overlaps_or_is_clipped(visit: Any, width: int) -> None:
    tab, _, _ = visit(width)
    _check_layout(tab)
    tab.evaluate(UNFOLD)
    _check_layout(tab)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_is_drawn_legible_and_described(visit: Any, width: int) -> None:
    tab, _, _ = visit(width)
    tab.evaluate(UNFOLD)
    images = tab.evaluate(IMAGES)
    assert images
    for complete, natural, alt, shown in images:
        assert complete
        assert natural > 0
        assert alt.strip()
        if width == 1280:
            assert shown >= 0.85 * natural, "letters of 8 points would become too small"


def test_a_figure_on_a_phone_is_shown_in_full_size_on_request(visit: Any) -> None:
    tab, _, _ = visit(390)
    box = tab.locator("figure").first.get_by_role("checkbox", name="Full size of figure 1")
    image, frame = tab.locator("figure img").first, tab.locator("figure .scroll").first
    natural = image.evaluate("i => i.naturalWidth")
    assert image.bounding_box()["width"] < natural
    box.focus()
    tab.keyboard.press("Space")
    assert image.bounding_box()["width"] == pytest.approx(natural, abs=1)
    assert frame.bounding_box()["width"] <= 390
    scroll, client = tab.evaluate(SPILL)
    assert scroll <= client


def test_the_page_can_be_read_without_scripts(visit: Any) -> None:
    tab, complaints, _ = visit(1280, java_script_enabled=False)
    assert complaints == []
    text = tab.locator("main").inner_text()
    assert "Answers at a glance" in text
    assert text.count("Answer.") >= 3
    assert tab.locator("figure img").count() >= 2


def test_the_page_prints_within_the_paper_and_closed_parts_stay_closed(visit: Any) -> None:
    """658 pixels are A4 less two margins of 18 mm."""
    tab, _, _ = visit(658)
    tab.emulate_media(media="print")
    _check_layout(tab)
    assert not tab.locator("nav").is_visible()
    assert not tab.locator("details table, details figure, pre").first.is_visible()
    assert tab.pdf(format="A4", prefer_css_page_size=True).startswith(b"%PDF")


def test_landmarks_headings_and_tables_are_in_order(visit: Any) -> None:
    tab, _, _ = visit(1280)
    assert tab.locator("html").get_attribute("lang") == "en"
    for name in ("header", "nav", "main", "footer", "h1"):
        assert tab.locator(f"body {name}").count() == 1, name
    levels = tab.evaluate(
        "() => [...document.querySelectorAll('main h2, main h3, main h4')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 2
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert tab.locator("table:not(:has(> caption))").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_the_contents_mark_the_place_that_is_read(visit: Any, width: int) -> None:
    tab, _, _ = visit(width)
    if not tab.evaluate("CSS.supports('selector(:target-current)')"):
        pytest.skip("this browser keeps the heading in sight instead")
    tab.set_viewport_size({"width": width, "height": 300})  # so that each question can be on top
    for anchor in ("#question-1-2", "#question-1-1", "#question-1-2"):
        tab.evaluate(f"document.querySelector('{anchor}').scrollIntoView()")
        tab.wait_for_function(f"{CURRENT}.join() === '{anchor}'")
        link = tab.locator(f"nav a[href='{anchor}']")
        assert link.evaluate("a => getComputedStyle(a).fontWeight") == "600"
        assert link.is_visible()
        assert link.evaluate("a => a.getBoundingClientRect().height") >= 20


def test_the_keyboard_reaches_the_text_and_what_is_folded(visit: Any) -> None:
    tab, _, _ = visit(1280)
    tab.keyboard.press("Tab")
    skip = tab.locator(".skip")
    assert skip.evaluate("a => a === document.activeElement && a.offsetHeight > 10")
    assert skip.evaluate("a => getComputedStyle(a).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    fold = tab.locator("main details").first
    fold.locator("> summary").focus()
    tab.keyboard.press("Enter")
    assert fold.evaluate("d => d.open")
    tab.keyboard.press("Shift+Tab")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_page_is_dark_where_the_reader_wants_it_and_paper_stays_white(visit: Any) -> None:
    tab, _, _ = visit(1280, color_scheme="dark")
    paper, ink = (
        "getComputedStyle(document.body).backgroundColor",
        "getComputedStyle(document.body).color",
    )
    figure = "getComputedStyle(document.querySelector('figure img')).filter"
    assert tab.evaluate(paper) == "rgb(20, 20, 20)"
    assert tab.evaluate(ink) == "rgb(227, 229, 232)"
    assert "invert(0.92)" in tab.evaluate(figure)
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate(paper) == "rgb(255, 255, 255)"
    assert tab.evaluate(figure) == "none"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_fault(visit: Any, path: Path, width: int, scheme: str) -> None:
    """Contrasts do not change with the width, and take most of the time on a large page."""
    axe = pytest.importorskip("axe_playwright_python", reason="pip install 'firstlight[test]'")
    tab, _, _ = visit(width, color_scheme=scheme)
    tab.evaluate(UNFOLD)
    tab.evaluate(files(axe).joinpath("axe.min.js").read_text(encoding="utf-8"))
    contrast = width == 1280 or path.stat().st_size < 1_000_000
    found = tab.evaluate(
        "contrast => axe.run(document, {resultTypes: ['violations'],"
        " rules: {'color-contrast': {enabled: contrast}}})",
        contrast,
    )
    faults = [(f["id"], [n["html"][:200] for n in f["nodes"]]) for f in found["violations"]]
    assert faults == []
    assert len(found["passes"]) > 20


def test_the_checks_see_a_broken_page(browser: Any) -> None:
    """A page with one fault of each kind, so that the checks above cannot pass by being blind."""
    tab = browser.new_page(viewport={"width": 390, "height": 900})
    tab.set_content(
        "<main><p style='width:600px'>wide</p><p>over</p><p style='margin-top:-2em'>lap</p>"
        "<div style='overflow:hidden;height:5px'>clipped</div><img alt=''>"
        "<div class='scroll' style='overflow:auto'><table style='width:700px'><td>x</td></table></div></main>"
    )
    scroll, client = tab.evaluate(SPILL)
    assert scroll > client
    assert len(tab.evaluate(OUTSIDE)) == 1
    assert len(tab.evaluate(WIDER)) == 1
    assert tab.evaluate(OVERLAPS)
    assert len(tab.evaluate(CLIPPED)) == 1
    assert tab.evaluate(IMAGES)[0][1:3] == [0, ""]
    tab.close()
