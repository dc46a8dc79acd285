"""`hundredfold users`: who is written into the file, and what is refused in which words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hundredfold.chassis import people

WORDS = "correct horse battery"


def users(store: Path, *arguments: str, typed: str = "", file: str = "") -> tuple[int, str, str]:
    """Run `hundredfold users`: exit code, stdout, stderr."""
    environ = {
        name: each for name, each in os.environ.items() if not name.startswith("HUNDREDFOLD_")
    }
    done = subprocess.run(
        [sys.executable, "-m", "hundredfold.cli", "users", *arguments, "--store", str(store)],
        env=environ | ({"HUNDREDFOLD_UI_USERS": file} if file else {}),
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert WORDS not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def add(
    store: Path, name: str, role: str, typed: str = f"{WORDS}\n", **more: str
) -> tuple[int, str, str]:
    return users(store, "add", name, "--role", role, "--passphrase-stdin", typed=typed, **more)


def test_people_come_change_and_go(tmp_path: Path) -> None:
    path = tmp_path / people.FILE_NAME
    assert add(tmp_path, "ada", "labeler")[0] == 0
    assert users(tmp_path, "add", "bo", "--role", "viewer", "--oidc", "bo@example.org")[0] == 0
    assert users(tmp_path, "role", "bo", "reviewer")[0] == 0
    (_, listed, _) = users(tmp_path, "list", "--json")
    assert json.loads(listed) == [
        {"name": "ada", "role": "labeler", "passphrase": True, "oidc": ""},
        {"name": "bo", "role": "reviewer", "passphrase": False, "oidc": "bo@example.org"},
    ]
    assert (
        users(tmp_path, "passphrase", "ada", "--passphrase-stdin", typed="another one\r\n")[0] == 0
    )
    ada = people.read(path).named("ada")
    assert ada
    assert ada.passphrase
    assert (ada.passphrase.is_of("another one"), ada.passphrase.is_of(WORDS)) == (True, False)
    assert users(tmp_path, "remove", "ada")[0] == 0
    code, _, told = users(tmp_path, "remove", "bo")
    assert (code, "nobody gets in" in told) == (0, True)
    assert people.read(path).users == ()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("short\n", "10 to 1,000 characters"),
        ("", "10 to 1,000 characters"),
        ("aaaaaaaaaaaa\n", "not all the same"),
    ],
)
def test_a_pass_phrase_that_is_none_is_refused_in_words(
    tmp_path: Path, typed: str, told: str
) -> None:
    code, _, said = add(tmp_path, "ada", "labeler", typed=typed)
    assert (code, told in said) == (2, True)
    assert not (tmp_path / people.FILE_NAME).exists()


def test_without_a_terminal_it_says_how_to_give_one(tmp_path: Path) -> None:
    code, _, told = users(tmp_path, "add", "ada", "--role", "labeler")
    assert (code, "--passphrase-stdin" in told) == (2, True)


@pytest.mark.parametrize(
    "command", [["remove", "eve"], ["role", "eve", "admin"], ["passphrase", "eve"]]
)
def test_who_is_not_there_is_told_and_no_file_is_made(tmp_path: Path, command: list[str]) -> None:
    code, _, told = users(tmp_path, *command)
    assert (code, "nobody is registered as eve" in told) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_somebody_who_is_there_is_not_overwritten(tmp_path: Path) -> None:
    add(tmp_path, "ada", "labeler")
    code, _, told = add(tmp_path, "Ada", "admin", typed="quite another one\n")
    assert (code, "registered already" in told) == (1, True)
    known = people.read(tmp_path / people.FILE_NAME).named("ada")
    assert known
    assert known.role == "labeler"


def test_a_broken_file_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / people.FILE_NAME
    path.write_text("{", "utf-8")
    code, _, told = add(tmp_path, "ada", "labeler")
    assert (code, "no list of people" in told, path.read_text("utf-8")) == (2, True, "{")


def test_the_variable_names_another_file_than_that_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "people.json"
    assert add(tmp_path, "ada", "labeler", file=str(path))[0] == 0
    assert people.read(path).named("ada")
    assert not (tmp_path / people.FILE_NAME).exists()
