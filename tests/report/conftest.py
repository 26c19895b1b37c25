"""Pages opened in a headless Chromium: of the made-up study, and of the published results."""

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

import page_samples
from firstlight import report
from firstlight.record import RECORD_FILE
from firstlight.report import page as report_page
from firstlight.studies import REGISTRY

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
RESULTS = Path(
    os.environ.get("FIRSTLIGHT_PAGE") or Path(__file__).resolve().parents[2] / "docs" / "results"
)
"""The records of all studies: the published ones, or those of the run folder that is named."""
PUBLISHED = all((RESULTS / name / RECORD_FILE).is_file() for name in REGISTRY)
NOTICE = "60,000 training images of MNIST were asked for and 6,000 were there: those were used."

Visit = Callable[..., tuple[Any, list[str], list[str]]]


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


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the made-up study, beside a published run of it."""
    with pytest.MonkeyPatch.context() as patch:
        page_samples.install(patch, twin=page_samples.published())
        html = report.render([page_samples.record(notices=(NOTICE,))])
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of all studies, made anew from the published records."""
    if not PUBLISHED:
        pytest.skip(f"{RESULTS} does not hold every study")
    path = tmp_path_factory.mktemp("published") / "index.html"
    path.write_text(report.render(report_page.read(RESULTS)), encoding="utf-8")
    return path


@pytest.fixture(params=["made_up", "published"])
def path(request: pytest.FixtureRequest) -> Path:
    """A page's file: of the made-up study, and of all studies."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def visit(browser: Any, path: Path) -> Iterator[Visit]:
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
        tab.goto(path.as_uri(), wait_until="load")
        return tab, complaints, requests

    yield open_page
    for context in contexts:
        context.close()
