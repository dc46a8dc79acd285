"""Every service is whole: proto, package, extra, script; and loads nothing that is not its own."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hundredfold.client import SERVICES

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

HEAVY = {
    "torch",
    "torchvision",
    "faiss",
    "streamlit",
    "redis",
    "sqlalchemy",
    "onnxruntime",
    "tritonclient",
    "sklearn",
    "imagehash",
    "PIL",
    "cv2",
    "scipy",
    "numba",
}
OWN = {
    "catalog": {"PIL", "cv2"},
    "hashing": {"PIL", "cv2", "scipy"},
    "embedding": {"PIL", "cv2", "onnxruntime", "tritonclient"},
    "index": {"faiss", "scipy"},
    "selection": set(),
    "training": set(),
    "labels": {"redis", "scipy", "sqlalchemy"},
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_a_proto_an_extra_a_script_and_five_files(service: str) -> None:
    assert (ROOT / f"protos/hundredfold/api/{service}/v1/{service}.proto").exists()
    assert service in PROJECT["project"]["optional-dependencies"]
    script = PROJECT["project"]["scripts"][f"hundredfold-{service}"]
    assert script == f"hundredfold.{service}.__main__:main"
    package = ROOT / "services" / "hundredfold" / service
    for name in ("__init__", "__main__", "config", "servicer", "store", "domain"):
        assert (package / f"{name}.py").exists() or (package / name).is_dir(), name
    assert list((ROOT / "tests" / "contract").glob(f"test_{service}*.py"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_loads_nothing_that_is_not_its_own(service: str) -> None:
    others = [f"hundredfold.{each}" for each in SERVICES if each != service]
    program = f"import sys, hundredfold.{service}.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not set(loaded) & (HEAVY - OWN[service])
    assert not set(loaded) & {*others, "hundredfold.client", "hundredfold.cli"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_is_wrong_with_a_setting(service: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", f"hundredfold.{service}"],
        env={"HUNDREDFOLD_WORKERS": "many", "PYTHONPATH": str(ROOT / "services")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 2
    assert "HUNDREDFOLD_WORKERS" in result.stderr
    assert "Traceback" not in result.stderr
