"""The run that writes labels to files, and proves that they are there."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.runs import JSON, RunContext
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import parts, read_images_part
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.domain.copies import Projection
from hundredfold.labels.domain.page import Rows
from hundredfold.labels.formats import FORMATS
from hundredfold.labels.formats.base import COLUMNS, PAIR_COLUMNS, Content, Place
from hundredfold.labels.joining import Joined, joined_pairs, with_columns
from hundredfold.labels.ledger import Ledger

_IMAGE_COLUMNS = ("row", "uri", "key", "format", "status")
_ACTORS = 500


class Export:
    """The job. A run that is taken up again begins anew: until its end, nothing of it is in place.

    Args:
        ledger: what to write.
        store: of the images, and of exports without a destination.
        originals: to copy images from.
    """

    def __init__(self, ledger: Ledger, store: ArtifactStore, originals: Sources) -> None:
        self._ledger = ledger
        self._store = store
        self._originals = originals

    def __call__(self, context: RunContext) -> Mapping[str, JSON]:
        """Write, read again, count."""
        collection, asked = context.run.collection, context.run.parameters
        labels, copies = self._ledger.labels(collection), self._ledger.copies(collection)
        schema = self._ledger.catalog.schema(collection)
        place = self._place(context)
        if schema.several:
            joined = joined_pairs(labels, copies, schema.names)
            tables = self._tables(context, joined)
            content = Content(tables, schema.names, self._originals.read_many, PAIR_COLUMNS)
        else:
            projection = Projection(labels, copies)
            tables = self._tables(
                context, partial(self._joined, collection, projection, schema.names)
            )
            content = Content(tables, schema.names, self._originals.read_many)
        form = FORMATS[str(asked["format"])]
        try:
            written = form.write(place, content)
        except OSError as error:  # a full disk, a file where a folder should be, no right to write
            why = f"{place.uri} can't be written: {error.strerror or error}"
            raise Conflict(why, reason="DESTINATION_FAILED") from error
        context.progress(written.images, message="reading it again")
        found = form.recount(place)
        if found != written:
            raise Conflict(
                f"{written.images} images were written, {found.images} are there, or others",
                reason="EXPORT_DIFFERS",
            )
        return {
            "destination": place.uri,
            "images": found.images,
            "labelled": found.labelled,
            "seq": labels.seq,
            "verified": True,
        }

    def _place(self, context: RunContext) -> Place:
        destination = str(context.run.parameters["destination"])
        if destination:
            folder, name = posixpath.split(destination)
            return Place(ArtifactStore(folder), name)
        suffix = FORMATS[str(context.run.parameters["format"])].suffix
        folder = layout.export(context.run.collection, context.run.run_id)
        return Place(self._store, f"{folder}/labels{suffix}")

    def _tables(self, context: RunContext, joined: Joined) -> Iterator[pa.Table]:
        collection = context.run.collection
        everything = bool(context.run.parameters["include_unlabelled"])
        found = parts(self._store, collection)
        done, total = 0, sum(info.rows for info in found)
        for info in found:
            context.check()
            images = read_images_part(self._store, collection, info.part, _IMAGE_COLUMNS)
            yield joined(images, everything=everything)
            done += info.rows
            context.progress(done, total, message="writing")

    def _joined(
        self,
        collection: str,
        projection: Projection,
        names: Mapping[int, str],
        images: pa.Table,
        *,
        everything: bool,
    ) -> pa.Table:
        """The images of a part, with their labels."""
        usable = pc.equal(images["status"], "ok").to_numpy()
        class_ids, seqs, _, representative = projection.at(images["row"].to_numpy())
        kept = usable & (everything | (class_ids > 0))
        actors = self._actors(collection, np.unique(seqs[kept]))
        columns = {
            "label": [names.get(each, "") for each in class_ids[kept].tolist()],
            "class_id": class_ids[kept],
            "annotator": [actors.get(each, "") for each in seqs[kept].tolist()],
            "seq": seqs[kept],
            "representative": representative[kept],
        }
        return with_columns(images.filter(pa.array(kept)), COLUMNS, columns)

    def _actors(self, collection: str, seqs: Rows) -> dict[int, str]:
        actors: dict[int, str] = {}
        given: Sequence[int] = seqs[seqs > 0].tolist()
        with self._ledger.records.reading(collection) as reading:
            for begin in range(0, len(given), _ACTORS):
                actors |= reading.actors(given[begin : begin + _ACTORS])
        return actors
