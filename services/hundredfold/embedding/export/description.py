"""The `model.json` that an operator writes beside an ONNX file.

    {
      "input_pixels": 224,                    pixels a side of the input
      "preprocessing": {                      what the graph expects to be done with pixels of 0..255, RGB
        "mean": [123.675, 116.28, 103.53],    is taken from each channel; left out = 0
        "deviation": [58.395, 57.12, 57.375], each channel is then divided by it; left out = 1
        "channels": "RGB",                    or "BGR": the order that the graph expects; means are in it too
        "layout": "NCHW"                      or "NHWC"
      },
      "output": "embedding",                  the output that is the vector; needed where there are several
      "source": "trained by us on ...",
      "licence": "Apache-2.0",
      "text": {                               only of a dual encoder
        "graph": "text.onnx",                 one integer input [n, length], the tokens; one output [n, d]
        "tokenizer": "tokenizer.json",        of the library `tokenizers`
        "length": 77,                         tokens of each text
        "pad": 0                              the token that pads shorter ones
      }
    }

Images are cropped to their middle and resized before (`chassis/backbones/preprocessing.py`).
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hundredfold.chassis.backbones.cards import Preprocessing, TextHalf
from hundredfold.chassis.errors import InvalidArgument

MOST_PIXELS = 1024
MOST_TOKENS = 4096
_LAYOUTS, _CHANNELS = ("NCHW", "NHWC"), ("RGB", "BGR")
_MOST_BYTES = 1 << 20

Three = tuple[float, float, float]


@dataclass(frozen=True)
class TextFiles:
    """The text half: names of files in the same folder, and how texts become tokens."""

    graph: str
    tokenizer: str
    half: TextHalf


@dataclass(frozen=True)
class Description:
    """What a `model.json` says; see the module's docstring."""

    input_pixels: int
    preprocessing: Preprocessing
    layout: str
    output: str
    source: str
    licence: str
    text: TextFiles | None

    @classmethod
    def read(cls, file: Path) -> "Description":
        """Read it.

        Raises:
            InvalidArgument: it is not there, no JSON, or a field is wrong; names the field.
        """
        try:
            with file.open("rb") as source:
                value = json.loads(source.read(_MOST_BYTES))
        except FileNotFoundError:
            raise InvalidArgument(
                f"{file.name} is not beside the model: it tells the size and normalisation of its input",
                field="model.json",
            ) from None
        except (ValueError, RecursionError) as error:
            raise InvalidArgument(f"{file.name} is no JSON: {error}", field="model.json") from error
        return cls.of(value)

    @classmethod
    def of(cls, value: Any) -> "Description":
        """Check a JSON value; InvalidArgument names the field."""
        fields = _Fields(value, "")
        seen = _Fields(fields.get("preprocessing", {}), "preprocessing.")
        text = fields.get("text", None)
        described = cls(
            input_pixels=fields.integer("input_pixels", MOST_PIXELS),
            preprocessing=Preprocessing(
                seen.three("mean", (0.0, 0.0, 0.0)),
                _deviation(seen.three("deviation", (1.0, 1.0, 1.0))),
                seen.choice("channels", _CHANNELS),
            ),
            layout=seen.choice("layout", _LAYOUTS),
            output=fields.text("output", ""),
            source=fields.text("source"),
            licence=fields.text("licence"),
            text=None if text is None else _text(_Fields(text, "text.")),
        )
        seen.end()
        fields.end()
        return described


def _deviation(values: Three) -> Three:
    if any(value <= 0 for value in values):
        raise _wrong("preprocessing.deviation", f"{list(values)} are not all above 0")
    if max(values) < 1:
        raise _wrong(
            "preprocessing.deviation",
            f"{list(values)} look like those of pixels of 0..1; pixels are of 0..255: times 255",
        )
    return values


def _text(fields: "_Fields") -> TextFiles:
    files = TextFiles(
        fields.text("graph"),
        fields.text("tokenizer"),
        TextHalf(fields.integer("length", MOST_TOKENS), fields.integer("pad", 1 << 30, least=0)),
    )
    fields.end()
    return files


def _wrong(field: str, why: str) -> InvalidArgument:
    return InvalidArgument(f"model.json: {field}: {why}", field=field)


class _Fields:
    """The fields of a JSON object, each asked for once; whatever nobody asked for is refused."""

    def __init__(self, value: Any, prefix: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(prefix.rstrip(".") or "it", "is no JSON object")
        self._left: dict[str, Any] = dict(value)
        self._prefix = prefix

    def get(self, name: str, default: Any) -> Any:
        return self._left.pop(name, default)

    def end(self) -> None:
        for name in self._left:
            raise _wrong(f"{self._prefix}{name}", "there is no such field")

    def integer(self, name: str, most: int, *, least: int = 1) -> int:
        value = self.get(name, None)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self._error(name, f"{value!r} is no whole number of {least} to {most}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        value = self.get(name, default)
        if not isinstance(value, str) or (not value and default is None):
            raise self._error(name, "is missing" if value is None else f"{value!r} is no text")
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str:
        value = self.get(name, choices[0])
        if value not in choices:
            raise self._error(name, f"{value!r} is not {' or '.join(choices)}")
        return str(value)

    def three(self, name: str, default: Three) -> Three:
        value = self.get(name, default)
        if not isinstance(value, list | tuple) or len(value) != 3 or not all(map(_finite, value)):
            raise self._error(name, f"{value!r} are not three numbers")
        red, green, blue = map(float, value)
        return red, green, blue

    def _error(self, name: str, why: str) -> InvalidArgument:
        return _wrong(f"{self._prefix}{name}", why)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
