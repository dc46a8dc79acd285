"""Pages as a test wants them: put into the queue of a collection that no loop works on."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.chassis.tensors import pack
from hundredfold.client import Connection
from hundredfold.client.types import Event
from tests.e2e.system import System

FREE = 359  # the row of an image that is on no other page
CLASSES = ("zero", "one", "two", "three")


@dataclass
class Offered:
    """A collection with classes, whose pages are given by the test."""

    system: System
    name: str

    def fill(self, source: str, *, several: bool = False) -> None:
        """Bring the images in and name some classes, of which an image may be of several."""
        catalog = self.system.client.catalog
        catalog.runs.wait(catalog.ingest(self.name, source).run_id)
        catalog.set_several(self.name, several)
        catalog.add_classes(self.name, CLASSES)

    def offer(self, *pages: Sequence[int], kind: str = "CLUSTER", **fields: object) -> None:
        """Let the queue hold these pages and no others, first things first."""
        messages = [
            page_pb2.Page(
                page_id=str(uuid.uuid4()),
                kind=page_pb2.PageKind.Value(f"PAGE_KIND_{kind}"),
                rows=pack(np.array(rows, np.int64)),
                score=-place,
                **fields,  # type: ignore[arg-type]  # protobuf checks the names and types
            )
            for place, rows in enumerate(pages)
        ]
        with Connection(self.system.environ).channel("labels") as channel:
            labels_pb2_grpc.LabelsServiceStub(channel).OfferPages(
                labels_pb2.OfferPagesRequest(
                    collection=self.name, pages=messages, replace=True, total=360
                )
            )

    def clear(self) -> None:
        """Nothing is labelled, nobody has a page: also none that was asked for by a closed window."""
        labels = self.system.client.labels
        labels.clear(self.name)
        self.offer([FREE])
        (newest,) = labels.lease(self.name)
        labels.release(self.name, range(max(1, newest.token - 60), newest.token + 1))
        self.offer()

    def leased(self) -> int:
        """How many images are on a screen."""
        return self.system.client.labels.progress(self.name).leased

    def decisions(self, annotator: str) -> list[Event]:
        """What an annotator decided, in order."""
        events = self.system.client.labels.decisions(self.name, actor=annotator)
        return [each for each in events if each.kind == "DECISION"]

    def undone(self) -> list[int]:
        """What was taken back, in order."""
        events = self.system.client.labels.decisions(self.name)
        return [each.undone_seq for each in events if each.kind == "UNDO"]
