"""The run that reads labels from a file."""

from collections.abc import Mapping

from hundredfold.chassis.runs import JSON, RunContext
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.collections import parts, read_images_part
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.answers import Answers
from hundredfold.labels.domain.matching import IDENTITIES, Matcher
from hundredfold.labels.formats import FORMATS
from hundredfold.labels.formats.base import FileFormat
from hundredfold.labels.labelled_lines import MOST_NAMED, LabelledLines
from hundredfold.labels.labelled_sets import LabelledSets
from hundredfold.labels.ledger import Ledger

_COLUMNS = (*IDENTITIES, "label", "class_id", "not_label")


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
        said = lines.judgements(matcher.found(), self._ledger.copies(run.collection))
        seq = 0
        if said and not run.parameters.get("preview"):
            actor = str(run.parameters["actor"])
            seq = self._answers.take_labels(run.collection, actor, run.request_id, said)
        return {
            "labels": sum(len(each.rows) for each in said),
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
        schema = self._ledger.catalog.schema(context.run.collection)
        lines = LabelledSets(schema) if schema.several else LabelledLines(schema)
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
