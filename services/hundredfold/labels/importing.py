"""The run that reads labels from a file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.runs import JSON, RunContext
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.collections import parts, read_images_part
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.answers import Answers
from hundredfold.labels.domain.copies import Copies
from hundredfold.labels.domain.event import labels_by_class
from hundredfold.labels.domain.matching import IDENTITIES, Hint, Matcher
from hundredfold.labels.domain.page import Ids, Rows
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.formats import FORMATS
from hundredfold.labels.formats.base import FileFormat, Lines
from hundredfold.labels.ledger import Ledger

MOST_LINES = 20_000_000
MOST_NAMED = 100
_COLUMNS = (*IDENTITIES, "label", "class_id")


class Import:
    """The job. All labels of a file are one event, so one undo takes them back.

    Args:
        ledger: what to write to.
        store: of the images.
        readable: what may be read.
    """

    def __init__(self, ledger: Ledger, store: ArtifactStore, readable: Sources) -> None:
        self._ledger = ledger
        self._store = store
        self._readable = readable
        self._answers = Answers(ledger)

    def __call__(self, context: RunContext) -> Mapping[str, JSON]:
        """Read the file, find the images, write the event."""
        run = context.run
        lines = self._read(context)
        matcher = Matcher(lines.by, lines.names, lines.hints)
        self._show(context, matcher)
        found = matcher.found()
        rows = np.fromiter(found, np.int64, len(found))
        class_ids = np.array([lines.class_ids[line] for line in found.values()], np.int32)
        rows, class_ids = _on_representatives(rows, class_ids, self._ledger.copies(run.collection))
        seq = 0
        if rows.size:
            actor, said = str(run.parameters["actor"]), labels_by_class(rows, class_ids)
            seq = self._answers.take_labels(run.collection, actor, run.request_id, said)
        return {
            "labels": len(rows),
            "lines": lines.count,
            "unlabelled": lines.unlabelled,
            "unknown_images": matcher.strange(),
            "unknown_classes": sorted(lines.unknown)[:MOST_NAMED],
            "seq": seq,
        }

    def _read(self, context: RunContext) -> "LabelledLines":
        asked = context.run.parameters
        form = FORMATS[str(asked["format"])]
        assert isinstance(form, FileFormat)  # noqa: S101  Transfer refuses the others
        lines = LabelledLines(self._ledger.catalog.schema(context.run.collection))
        with self._readable.open(str(asked["source"])) as file:
            for some in form.lines(file, _COLUMNS):
                context.check()
                lines.take(some)
                context.progress(lines.count, message="reading")
        return lines

    def _show(self, context: RunContext, matcher: Matcher) -> None:
        collection = context.run.collection
        context.progress(0, message="finding the images")
        for info in parts(self._store, collection):
            context.check()
            columns = ("row", "uri", "key", "status")
            for image in read_images_part(self._store, collection, info.part, columns).to_pylist():
                if image["status"] == "ok":
                    matcher.see(image)


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
        for at, label in enumerate(labels):
            if class_id := self._class(label, by_name=by_name):
                self.names.append(_name(self.by, _cell(lines, self.by, at)))
                self.hints.append(Hint(str(_cell(lines, "uri", at)), _row(_cell(lines, "row", at))))
                self.class_ids.append(class_id)

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


def _cell(lines: Lines, name: str, at: int) -> Any:
    return lines[name][at] if name in lines else None


def _name(by: str, value: Any) -> Any:
    return _row(value) if by == "row" else str(value)


def _row(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1


def _on_representatives(rows: Rows, class_ids: Ids, copies: Copies | None) -> tuple[Rows, Ids]:
    """Move labels of copies to their representatives, where a label of its own counts first."""
    source = copies.of(rows) if copies else rows
    order = np.lexsort((source == rows, source))
    order = order[source[order] >= 0]
    last = np.append(np.diff(source[order]) != 0, True)[: len(order)]
    return source[order][last], class_ids[order][last]
