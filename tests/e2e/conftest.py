"""One running system for all end-to-end tests, with the digits in it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

from tests.e2e.desk import ARGUMENTS
from tests.e2e.digits import write_digits
from tests.e2e.system import System, running, wait_for

DIGITS = 360


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("data") / "digits", DIGITS)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Iterator[System]:
    with running(digits.parent / "store", str(digits)) as started:
        wait_for(lambda: _has_pages(started, "digits"), 120, "the first page of digits")
        yield started


def _has_pages(system: System, collection: str) -> bool:
    words = system.log.read_text("utf-8")
    assert "Run it again" not in words, words
    return f"{collection}: the first page is ready" in words


@pytest.fixture(scope="session")
def chromium() -> str:
    found = os.environ.get("HUNDREDFOLD_CHROMIUM") or shutil.which("chromium")
    if not found:
        pytest.skip("there is no chromium: install Debian's package of that name")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started.new_context(viewport={"width": 1280, "height": 720})
        started.close()
