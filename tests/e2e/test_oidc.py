"""Signing in through an OpenID provider: a real exchange, with a provider in this process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from hundredfold.chassis import people
from hundredfold.chassis.people import User
from hundredfold.chassis.testing import free_ports, wait_for
from tests.e2e.desk import ARGUMENTS
from tests.e2e.oidc_provider import Provider, provider
from tests.e2e.people import Seat
from tests.e2e.system import ROOT

pytestmark = pytest.mark.e2e
BUTTON = "Sign in with your organisation"


@pytest.fixture(scope="module")
def vouching() -> Iterator[Provider]:
    pytest.importorskip("authlib", reason="the extra `oidc` is not installed")
    with provider(email="bo@example.org", sub="bo-1", email_verified=True) as started:
        yield started


@contextmanager
def ui_alone(folder: Path, vouching: Provider) -> Iterator[str]:
    """The UI without services: who signs in sees that there are none; returns its address."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}/"
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(vouching.secrets(address), "utf-8")
    with people.changing(folder / people.FILE_NAME) as states:
        states.append(states[-1].with_user(User("bo", "reviewer", None, "bo@example.org")))
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "ui" / "app.py")]
    options = [
        "--server.port",
        str(port),
        "--server.headless",
        "true",
        "--server.fileWatcherType",
        "none",
    ]
    environ = {
        name: each for name, each in os.environ.items() if not name.startswith("HUNDREDFOLD_")
    }
    environ |= {"HUNDREDFOLD_STORE": str(folder)}
    log = folder / "ui.log"
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [*command, *options], cwd=folder, env=environ, stdout=out, stderr=out
        )
    try:
        wait_for(lambda: "You can now view" in log.read_text("utf-8"), 60, "the UI is up")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def test_whom_the_provider_vouches_for_has_the_role_of_the_file_and_others_are_refused(
    tmp_path: Path, chromium: str, vouching: Provider
) -> None:
    with ui_alone(tmp_path, vouching) as address, sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        seat = Seat.at(started)
        seat.page.goto(address)
        seat.page.get_by_role("button", name=BUTTON).click()
        wait_for(lambda: "hundredfold_session" in seat.cookies(), 30, "the login")
        told = seat.page.request.get(f"{address}api/session").json()
        assert told == {"name": "bo", "role": "reviewer"}
        vouching.claims |= {"email": "eve@example.org", "sub": "eve-1"}
        other = Seat.at(started)
        other.page.goto(address)
        other.page.get_by_role("button", name=BUTTON).click()
        trouble = other.page.locator(".trouble")
        expect(trouble).to_contain_text("eve@example.org is not registered here", timeout=30_000)
        assert "hundredfold_session" not in other.cookies()
        started.close()
