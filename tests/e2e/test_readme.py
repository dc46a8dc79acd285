"""What the README shows is run as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hundredfold.chassis.config import DEFAULT_PORTS
from hundredfold.client import SERVICES
from tests.e2e.system import ROOT, System, wait_for

pytestmark = pytest.mark.e2e
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def photos(system: System, digits: Path) -> System:
    """The collection that the README speaks of."""
    system.run("bootstrap", str(digits), "--collection", "photos")
    wait_for(lambda: system.client.labels.progress("photos").ready_pages, 60, "pages of photos")
    return system


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_an_example_of_the_readme_runs(photos: System, block: str) -> None:
    address = photos.environ["HUNDREDFOLD_LABELS_ADDRESS"]
    result = subprocess.run(
        [sys.executable, "-c", block.replace("127.0.0.1:7107", address)],
        env=photos.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_the_readme_names_every_service_and_its_port() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for service in SERVICES:
        assert f"| `{service}` | {DEFAULT_PORTS[service]} |" in readme
