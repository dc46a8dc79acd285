"""All text that a person reads, from one catalogue, so that it can be translated.

`ui/words/<language>/<section>.json` holds the texts of a section, such as `label` or `progress`. A text is found
by `section.name`; `{values}` in it are filled in. One that depends on a number is an object with `one` and `other`,
chosen by the value `count`. A language that lacks a text shows the English one. The browser's modules read the same
catalogue (`/words`, `modules/words.js`).

HUNDREDFOLD_UI_LANGUAGE: a folder of this package; `en` unless set.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_SOURCE = "en"

Text = str | Mapping[str, str]
"""A text, or its forms by number."""


def language() -> str:
    """The language that was asked for.

    Raises:
        LookupError: there is none of that name.
    """
    wanted = os.environ.get("HUNDREDFOLD_UI_LANGUAGE", "") or _SOURCE
    if wanted not in languages():
        known = ", ".join(languages())
        raise LookupError(f"HUNDREDFOLD_UI_LANGUAGE is {wanted!r}: give one of {known}")
    return wanted


@cache
def catalogue() -> Mapping[str, Text]:
    """All texts of the language, by `section.name`."""
    return _read(_SOURCE) | _read(language())


def languages() -> list[str]:
    """The languages there are."""
    return sorted(each.name for each in _HERE.iterdir() if any(each.glob("*.json")))


def say(key: str, **values: object) -> str:
    """The text of a key with its values; numbers get their thousands separated.

    Raises:
        LookupError: there is no such text, or a value of it was not given.
    """
    text = catalogue()[key]
    if not isinstance(text, str):
        text = text["one" if values.get("count") == 1 else "other"]
    return text.format_map({name: _written(value) for name, value in values.items()})


def number(value: float, form: str = ",") -> str:
    """A number as the language writes it; `form` is of Python, such as `,.1f`."""
    thousands, decimal = str(catalogue()["common.thousands"]), str(catalogue()["common.decimal"])
    return format(value, form).translate({ord(","): thousands, ord("."): decimal})


def _written(value: object) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return number(value) if whole else str(value)  # type: ignore[arg-type]  # it is an int


def _read(language: str) -> dict[str, Text]:
    return {
        f"{section.stem}.{name}": text
        for section in sorted((_HERE / language).glob("*.json"))
        for name, text in json.loads(section.read_text("utf-8")).items()
    }
