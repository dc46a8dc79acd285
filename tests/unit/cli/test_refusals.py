"""What the command line says when it can't: exit code, nothing on stdout, what to do on stderr."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hundredfold.chassis.config import DEFAULT_PORTS
from hundredfold.chassis.errors import InvalidArgument, Unavailable
from hundredfold.cli.search import _MOST_BYTES, _sendable
from hundredfold.client import Client, Connection

NOWHERE = {f"HUNDREDFOLD_{name.upper()}_ADDRESS": "127.0.0.1:9" for name in DEFAULT_PORTS}


def said(*arguments: str) -> tuple[int, str, str]:
    """Run a command with --json while no service is there: exit code, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "hundredfold.cli", *arguments, "--json"],
        env={**os.environ, **NOWHERE},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [["runs"], ["status", "birds"]])
def test_without_services_a_command_says_how_to_start_them(arguments: list[str]) -> None:
    code, out, err = said(*arguments)
    assert (code, out) == (1, "")
    assert "hundredfold up" in err
    assert "Traceback" not in err


def test_a_port_that_there_is_not_is_wrong_usage(tmp_path: Path) -> None:
    for option in ("--port", "--base-port"):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "hundredfold.cli",
                "up",
                option,
                "99999",
                "--store",
                str(tmp_path),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert option in done.stderr


def test_a_truth_that_is_no_text_is_wrong_usage(tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_bytes(b"\xff\xfe\x00")
    code, out, err = said("simulate", "birds", "--truth", str(truth))
    assert (code, out) == (2, "")
    assert "can't be read" in err


def test_a_service_that_was_never_there_is_not_waited_for_long() -> None:
    with Client(Connection(NOWHERE)) as client:
        with pytest.raises(Unavailable, match=r"labels does not answer at 127.0.0.1:9") as raised:
            client.require("labels", seconds=0.1)
        assert raised.value.reason == "NOT_RUNNING"


def test_an_image_too_large_for_a_message_is_made_smaller(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1100, 1500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > _MOST_BYTES
    assert len(_sendable(tmp_path / "large.png")) <= _MOST_BYTES


def test_a_large_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(bytes(_MOST_BYTES + 1))
    with pytest.raises(InvalidArgument, match=r"large\.jpg"):
        _sendable(tmp_path / "large.jpg")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--cluster", "3"], "belong together"),
        (["--as", "owl"], "belong together"),
        (["--cluster", "3", "--as", "owl", "--leave-rest"], "of no use with --cluster"),
    ],
)
def test_a_cluster_is_certified_with_its_class_and_labelled(more: list[str], words: str) -> None:
    code, out, err = said("certify", "birds", *more)
    assert (code, out) == (2, "")
    assert words in err


def test_the_clusters_of_nobody_are_not_listed() -> None:
    code, out, err = said("clusters", "birds")
    assert (code, out) == (1, "")
    assert "hundredfold up" in err
