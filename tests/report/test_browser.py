"""The page as a reader sees it: opened in a headless Chromium, wide, on a phone and on paper."""

import itertools
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

import page_samples
from firstlight import report
from firstlight.record import RECORD_FILE
from firstlight.report import page as report_page
from firstlight.studies import REGISTRY

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
WIDTHS = (1280, 390)
NOTICE = "Stand-in data: scikit-learn's 1,797 digits, scaled to 28 × 28, took the place of MNIST."

# What a reader would see as broken, found in the laid-out page. Each returns a list of complaints.
OUTSIDE = """() => {
  const edge = document.documentElement.clientWidth + 1;
  const name = e => `${e.tagName.toLowerCase()} "${(e.innerText || e.alt || '').slice(0, 40)}"`;
  return [...document.body.querySelectorAll('*')]
    .filter(e => !e.closest('.scroll *') && e.getBoundingClientRect().right > edge).map(name);
}"""
OVERLAPS = """() => {
  const found = [];
  for (const parent of document.querySelectorAll('body, header, main, section, figure, nav, td')) {
    const boxes = [...parent.children].filter(e => !e.classList.contains('skip'))
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
    return ['hidden', 'clip'].includes(s.overflowX) || ['hidden', 'clip'].includes(s.overflowY); })
  .filter(e => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
  .map(e => e.outerHTML.slice(0, 80))"""
IMAGES = """() => [...document.images].map(i => [i.complete, i.naturalWidth, i.alt, i.width])"""
SPILL = """() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"""


def _give_up(reason: str) -> NoReturn:
    """Skip, or fail where FIRSTLIGHT_REQUIRE_BROWSER=1 forbids the skip."""
    if os.environ.get("FIRSTLIGHT_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _browser_path() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        _give_up(f"no browser found: looked for {', '.join(BROWSERS)}")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium of the system, driven by playwright."""
    path = _browser_path()
    with warnings.catch_warnings():
        # playwright's own use of asyncio is not ours to mend
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            _give_up("playwright is not installed: pip install 'firstlight[test]'")
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            yield chromium
            chromium.close()


_COMMITTED = any((RESULTS / name / RECORD_FILE).is_file() for name in REGISTRY)


@pytest.fixture(scope="module", params=["made-up"] + ["committed results"] * _COMMITTED)
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page's address: of the made-up study, and of the results under docs/, made anew."""
    if request.param == "made-up":
        with pytest.MonkeyPatch.context() as patch:
            page_samples.install(patch)
            html = report.render([page_samples.record(notices=(NOTICE,))])
    else:
        html = report.render(report_page.read(RESULTS))
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Any]:
    """Return a function that opens the page and notes complaints and requests."""
    contexts = []

    def open_page(width: int, **options: Any) -> tuple[Any, list[str], list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        tab = context.new_page()
        complaints: list[str] = []
        requests: list[str] = []
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("requestfailed", lambda request: complaints.append(request.url[:200]))
        tab.on("request", lambda request: requests.append(request.url[:200]))
        tab.goto(address, wait_until="load")
        return tab, complaints, requests

    yield open_page
    for context in contexts:
        context.close()


def _check_layout(tab: Any) -> None:
    scroll, client = tab.evaluate(SPILL)
    assert scroll <= client
    assert tab.evaluate(OUTSIDE) == []
    assert tab.evaluate(OVERLAPS) == []
    assert tab.evaluate(CLIPPED) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_opens_without_complaint_or_network(visit: Any, address: str, width: int) -> None:
    _, complaints, requests = visit(width)
    assert complaints == []
    assert [r for r in requests if r != address and not r.startswith("data:")] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows_overlaps_or_is_clipped(visit: Any, width: int) -> None:
    tab, _, _ = visit(width)
    _check_layout(tab)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_is_drawn_legible_and_described(visit: Any, width: int) -> None:
    tab, _, _ = visit(width)
    images = tab.evaluate(IMAGES)
    assert images
    for complete, natural, alt, shown in images:
        assert complete
        assert natural > 0
        assert alt.strip()
        assert shown >= 0.85 * natural, "letters of 8 points would become too small"


def test_wide_figures_scroll_inside_their_own_frame_on_a_phone(visit: Any) -> None:
    tab, _, _ = visit(390)
    frames = tab.evaluate(
        "() => [...document.querySelectorAll('figure .scroll')]"
        ".map(e => [e.scrollWidth, e.clientWidth, getComputedStyle(e).overflowX, e.tabIndex])"
    )
    assert frames
    assert any(inner > outer for inner, outer, _, _ in frames)
    assert all((overflow, tab_index) == ("auto", 0) for _, _, overflow, tab_index in frames)


def test_the_page_can_be_read_without_scripts(visit: Any) -> None:
    tab, complaints, _ = visit(1280, java_script_enabled=False)
    assert complaints == []
    text = tab.locator("main").inner_text()
    assert "Answers at a glance" in text
    assert text.count("Answer.") >= 3
    assert tab.locator("figure img").count() >= 2


def test_the_page_prints_within_the_paper(visit: Any) -> None:
    """658 pixels are A4 less two margins of 18 mm."""
    tab, _, _ = visit(658)
    tab.emulate_media(media="print")
    _check_layout(tab)
    assert tab.pdf(format="A4").startswith(b"%PDF")


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


def test_the_checks_see_a_broken_page(browser: Any) -> None:
    """A page with one fault of each kind, so that the checks above cannot pass by being blind."""
    tab = browser.new_page(viewport={"width": 390, "height": 900})
    tab.set_content(
        "<main><p style='width:600px'>wide</p><p>over</p><p style='margin-top:-2em'>lap</p>"
        "<div style='overflow:hidden;height:5px'>clipped</div><img alt=''></main>"
    )
    scroll, client = tab.evaluate(SPILL)
    assert scroll > client
    assert len(tab.evaluate(OUTSIDE)) == 1
    assert tab.evaluate(OVERLAPS)
    assert len(tab.evaluate(CLIPPED)) == 1
    assert tab.evaluate(IMAGES)[0][1:3] == [0, ""]
    tab.close()
