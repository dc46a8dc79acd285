"""Every text that a person reads is in the catalogue, and every text of the catalogue is read."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter

import pytest

from ui.words import Text, catalogue, languages, number, say

UI = Path(__file__).parents[3] / "ui"
WORDS = UI / "words"
KEY = re.compile(r"""["'`]([a-z_]+\.[A-Za-z0-9_-]+)["'`]""")
PARTS = re.compile(r"""["`]([a-z_]+\.(?:[a-z_]+_)?)[{$]""")
SAID = re.compile(r"""\bsay\(\s*["']([^"']+)["']""")

DRAWING = {
    *("header", "subheader", "title", "write", "caption", "markdown", "text", "button", "info"),
    *("warning", "error", "success", "toast", "checkbox", "toggle", "radio", "selectbox"),
    *("text_input", "text_area", "number_input", "expander", "popover", "form_submit_button"),
    *("link_button", "page_link", "metric", "progress", "segmented_control", "file_uploader"),
    *("color_picker", "multiselect", "pills", "slider", "tabs", "download_button", "status"),
    *("spinner", "date_input", "time_input", "dialog"),
}
READ = {"label", "help", "placeholder", "caption", "captions", "body", "text", "title"}
SHOWN_AS_IT_IS = {
    "hundredfold",  # the name of the product
    "/data/photos",  # examples of paths and numbers, the same in every language
    "/data/labels.csv",
    "12, 40, 7",
}


def texts_of(language: str) -> dict[str, Text]:
    return {
        f"{section.stem}.{name}": text
        for section in sorted((WORDS / language).glob("*.json"))
        for name, text in json.loads(section.read_text("utf-8")).items()
    }


def placeholders(text: Text) -> set[str]:
    forms = [text] if isinstance(text, str) else list(text.values())
    return {name for form in forms for _, name, _, _ in Formatter().parse(form) if name}


def sources() -> Iterator[Path]:
    for pattern in ("**/*.py", "**/*.js"):
        yield from UI.glob(pattern)


def mentioned() -> tuple[set[str], set[str]]:
    """Keys that the code names, and the beginnings of those that it puts together."""
    keys: set[str] = set()
    parts: set[str] = set()
    for source in sources():
        code = source.read_text("utf-8")
        keys.update(KEY.findall(code))
        parts.update(PARTS.findall(code))
    return keys, parts


def test_every_key_that_is_said_is_in_the_catalogue() -> None:
    known = texts_of("en")
    for source in sources():
        for key in SAID.findall(source.read_text("utf-8")):
            if "{" not in key and "$" not in key:
                assert key in known, f"{source.relative_to(UI)} says {key}"


def test_every_text_of_the_catalogue_is_used() -> None:
    keys, parts = mentioned()
    unused = [
        each
        for each in texts_of("en")
        if each not in keys and not any(each.startswith(part) for part in parts)
    ]
    assert unused == []


@pytest.mark.parametrize("language", languages())
def test_a_translation_has_the_same_values_and_forms(language: str) -> None:
    english = texts_of("en")
    for key, text in texts_of(language).items():
        assert key in english, f"{language} translates {key}, which nobody says"
        assert placeholders(text) <= placeholders(english[key]) | {"count"}, key
        assert isinstance(text, str) or set(text) == {"one", "other"}, key


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_text(language: str) -> None:
    assert set(texts_of("en")) - set(texts_of(language)) == set()


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (each for each in ast.walk(tree) if isinstance(each, ast.Call))


def given_to(tree: ast.AST) -> Iterator[tuple[int, str, set[str]]]:
    """Line, key and names of the values of each `say` with a literal key."""
    for call in calls(tree):
        if isinstance(call.func, ast.Name) and call.func.id == "say" and call.args:
            key = call.args[0]
            if isinstance(key, ast.Constant) and all(each.arg for each in call.keywords):
                yield call.lineno, str(key.value), {str(each.arg) for each in call.keywords}


def test_the_values_that_a_text_needs_are_given() -> None:
    known = texts_of("en")
    for source in UI.glob("**/*.py"):
        for line, key, given in given_to(ast.parse(source.read_text("utf-8"))):
            wanted = placeholders(known[key])
            if not isinstance(known[key], str):
                wanted |= {"count"}
            assert wanted <= given, f"{source.relative_to(UI)}:{line} {key}"


def literals(value: ast.expr) -> Iterator[str]:
    """Texts written in an argument, those inside an f-string or a list too."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.JoinedStr):
        for part in value.values:
            if isinstance(part, ast.Constant):
                yield str(part.value)
    elif isinstance(value, ast.List | ast.Tuple):
        for each in value.elts:
            yield from literals(each)


def read_by_people(call: ast.Call) -> Iterator[ast.expr]:
    yield from call.args[:1]
    yield from (each.value for each in call.keywords if each.arg in READ)


def is_text(literal: str) -> bool:
    """Whether a person would read words: not an icon, a sign, Markdown or a colour."""
    words = re.sub(r":[a-z]+\[|:material/[a-z_]+:|&[a-z]+;", "", literal)
    return bool(re.search(r"[A-Za-z]{2}", words)) and literal not in SHOWN_AS_IT_IS


@pytest.mark.parametrize("source", sorted((UI / "views").glob("*.py")), ids=lambda each: each.stem)
def test_a_view_has_no_text_of_its_own(source: Path) -> None:
    for call in calls(ast.parse(source.read_text("utf-8"))):
        if isinstance(call.func, ast.Attribute) and call.func.attr in DRAWING:
            for value in read_by_people(call):
                found = [each for each in literals(value) if is_text(each)]
                assert not found, f"line {call.lineno}: {found}"


def test_what_is_counted_has_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUNDREDFOLD_UI_LANGUAGE", raising=False)
    catalogue.cache_clear()
    assert say("progress.pages_wait", count=1) == "1 page waits"
    assert say("progress.pages_wait", count=1_200) == "1,200 pages wait"


def test_another_language_writes_numbers_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUNDREDFOLD_UI_LANGUAGE", "de")
    catalogue.cache_clear()
    try:
        assert number(1234.5, ",.1f") == "1.234,5"
        assert "1.200" in say("progress.pages_wait", count=1_200)
    finally:
        monkeypatch.undo()
        catalogue.cache_clear()


def test_an_unknown_language_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUNDREDFOLD_UI_LANGUAGE", "tlh")
    catalogue.cache_clear()
    try:
        with pytest.raises(LookupError, match="tlh"):
            say("common.cancel")
    finally:
        monkeypatch.undo()
        catalogue.cache_clear()


def test_a_text_that_is_not_there_is_told() -> None:
    with pytest.raises(LookupError):
        say("common.nothing_of_the_kind")


def sections() -> Mapping[str, Path]:
    return {each.stem: each for each in (WORDS / "en").glob("*.json")}


@pytest.mark.parametrize("section", sorted(sections()))
def test_a_section_is_flat_and_plain(section: str) -> None:
    for name, text in json.loads(sections()[section].read_text("utf-8")).items():
        forms = [text] if isinstance(text, str) else list(text.values())
        assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
        assert isinstance(text, str) or set(text) == {"one", "other"}, name
        assert not any("<" in each for each in forms), name
