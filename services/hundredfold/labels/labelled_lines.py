"""The lines of a file of labels, as far as they name classes of the schema."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.labels.domain.copies import Copies
from hundredfold.labels.domain.event import Judgement, labels_by_class
from hundredfold.labels.domain.matching import IDENTITIES, Hint
from hundredfold.labels.domain.page import Ids, Rows
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.formats.base import Lines

MOST_LINES = 20_000_000
MOST_NAMED = 100


class LabelledLines:
    """The lines of a file that name a class of the schema.

    Attributes:
        by: the column that names the image.
        names: its value in each line.
        hints: what else each line says of its image.
        class_ids: the class of each.
        count: lines read, those without a label or with an unknown class included.
        unlabelled: lines without a label.
        unknown: the classes that are not in the schema.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._by_name = schema.by_name()
        self.by = ""
        self.names: list[Any] = []
        self.hints: list[Hint] = []
        self.class_ids: list[int] = []
        self.count = 0
        self.unlabelled = 0
        self.unknown: set[str] = set()

    def take(self, lines: Lines) -> None:
        """Add lines.

        Raises:
            InvalidArgument: a column is missing, or there are too many lines.
        """
        self.by = self.by or _identity(lines)
        labels = lines.get("label") or lines.get("class_id") or ()
        by_name = "label" in lines
        self.count += len(labels)
        if self.count > MOST_LINES:
            raise InvalidArgument(f"more than {MOST_LINES} lines; split the file", field="source")
        for at in range(len(labels)):
            self._take(lines, at, labels, by_name=by_name)

    def judgements(self, found: Mapping[int, int], copies: Copies | None) -> tuple[Judgement, ...]:
        """What the lines say, row by row as `found` tells (row -> line); of copies to their representatives."""
        rows = np.fromiter(found, np.int64, len(found))
        class_ids = np.array([self.class_ids[line] for line in found.values()], np.int32)
        return labels_by_class(*on_representatives(rows, class_ids, copies))

    def _take(self, lines: Lines, at: int, labels: Sequence[Any], *, by_name: bool) -> None:
        if class_id := self._class(labels[at], by_name=by_name):
            self.names.append(self._name(lines, at))
            self.hints.append(self._hint(lines, at))
            self.class_ids.append(class_id)

    def _name(self, lines: Lines, at: int) -> Any:
        value = self._cell(lines, self.by, at)
        return _row(value) if self.by == "row" else str(value)

    def _hint(self, lines: Lines, at: int) -> Hint:
        return Hint(str(self._cell(lines, "uri", at)), _row(self._cell(lines, "row", at)))

    @staticmethod
    def _cell(lines: Lines, name: str, at: int) -> Any:
        return lines[name][at] if name in lines else None

    def _class(self, label: Any, *, by_name: bool) -> int:
        text = "" if label is None else str(label).strip()
        if not text or (not by_name and text == "0"):
            self.unlabelled += 1
            return 0
        found = self._by_name.get(text, 0) if by_name else self._of_id(text)
        if not found:
            self.unknown.add(text[:MOST_NAMED])
        return found

    def _of_id(self, text: str) -> int:
        class_id = _row(text)
        return 0 if self._schema.unknown([class_id]) else self._schema.in_use(class_id)


def _identity(lines: Lines) -> str:
    by = next((name for name in IDENTITIES if name in lines), "")
    if not by or not {"label", "class_id"} & lines.keys():
        raise InvalidArgument(
            "the file needs a column key, row, uri or path, and a column label or class_id",
            field="source",
        )
    return by


def _row(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1


def on_representatives(rows: Rows, class_ids: Ids, copies: Copies | None) -> tuple[Rows, Ids]:
    """Move labels of copies to their representatives, where a label of its own counts first."""
    source = copies.of(rows) if copies else rows
    order = np.lexsort((source == rows, source))
    order = order[source[order] >= 0]
    last = np.append(np.diff(source[order]) != 0, True)[: len(order)]
    return source[order][last], class_ids[order][last]
