"""What a model is called by on the command line."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from hundredfold.chassis.backbones.cards import DEFAULT_MODEL
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.storage.layout import check_model, name_and_version

RECIPE, ONNX, TRITON = "recipe", "onnx", "triton"
LIBRARIES = ("torchvision", "timm", "open_clip")
KINDS = (*LIBRARIES, ONNX, TRITON)

_DIGITS = 16
_STRANGE = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True)
class Spec:
    """Where a model comes from.

    Attributes:
        kind: `recipe`, a library, `onnx` or `triton`.
        name: of the recipe, of the library's network, the file, or `name@version` at the server.
        weights: a file of weights; None = those that come along, if any.
    """

    kind: str
    name: str
    weights: Path | None = None

    @classmethod
    def parse(cls, text: str) -> "Spec":
        """Read a SPEC.

        Raises:
            InvalidArgument: it is none; tells what there is.
        """
        kind, _, rest = text.partition(":")
        if kind == ONNX and rest:
            return cls(ONNX, rest)
        if kind == TRITON:
            return cls(TRITON, check_model(rest, "spec"))
        name, _, weights = (rest if kind in LIBRARIES else text).partition(":")
        if not name or (kind not in LIBRARIES and kind != name):
            raise InvalidArgument(
                f"{text!r} is no model: give the name of a recipe or {':.., '.join(KINDS)}:..",
                field="spec",
            )
        file = Path(weights) if weights else None
        return cls(kind if kind in LIBRARIES else RECIPE, name, file)

    @property
    def file(self) -> Path | None:
        """The file that makes it what it is: its weights, or the graph."""
        return Path(self.name) if self.kind == ONNX else self.weights

    def origin(self) -> str:
        """The file as a card tells of it, "" when there is none; OSError when it can't be read."""
        if self.file is None:
            return ""
        with self.file.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"{self.file.name} of sha256 {digest[:_DIGITS]}"

    def model(self, name: str = "", version: int = 0) -> str:
        """The `name@version` in the model repository; "" and 0 stand for what the spec suggests.

        Raises:
            InvalidArgument: the name can be none of a model; or it differs from that at the server.
        """
        if self.kind == TRITON:
            if (name or version) and self.name != f"{name}@{version}":
                raise InvalidArgument(
                    f"{self.name} keeps the name and version it has at the server", field="name"
                )
            return self.name
        known, newest = name_and_version(DEFAULT_MODEL)
        version = version or (newest if self.name == known else 1)
        return check_model(f"{name or self._name()}@{version}", "name")

    def _name(self) -> str:
        if self.kind == RECIPE:
            return self.name
        if self.kind == ONNX:
            file = Path(self.name)
            stem = file.parent.name if file.stem == "model" else file.stem
            return _STRANGE.sub("-", stem.lower()).strip("-._")
        # Of torchvision's names the part in a repository has always been written with dashes.
        name = self.name.replace("_", "-") if self.kind == "torchvision" else self.name
        return f"{self.kind.replace('_', '-')}-{name.lower()}"
