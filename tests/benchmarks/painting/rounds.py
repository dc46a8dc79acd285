"""Answers to a loop from a thread, so that it refits and makes pages while a browser is timed."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from hundredfold.chassis.errors import ServiceError
from hundredfold.client import Client, Connection
from hundredfold.client.types import Judgement, Lease, Verdict

_NAMES = ("one", "two", "three", "four")
_PAUSE_SECONDS = 0.5
_ANNOTATOR = "background"


@contextmanager
def answering(environ: Mapping[str, str], collection: str, streams: int = 3) -> Iterator[list[int]]:
    """So many labellers answer at once, each a page after the other; yields the decisions made so far.

    What they say is not true, and need not be: the loop has as much to do.
    """
    client = Client(Connection(dict(environ)))
    schema = client.catalog.add_classes(collection, _NAMES)
    classes = [schema.by_name()[name] for name in _NAMES]
    over, made = threading.Event(), list[int]()
    threads = [
        threading.Thread(
            target=_answer,
            args=(client, collection, classes, number),
            kwargs={"over": over, "made": made},
        )
        for number in range(streams)
    ]
    for each in threads:
        each.start()
    try:
        yield made
    finally:
        over.set()
        for each in threads:
            each.join()
        client.close()


def _answer(
    client: Client,
    collection: str,
    classes: list[int],
    number: int,
    *,
    over: threading.Event,
    made: list[int],
) -> None:
    while not over.wait(_PAUSE_SECONDS):
        with suppress(ServiceError):  # somebody else was first, or no page is ready
            for lease in client.labels.lease(collection, f"{_ANNOTATOR}-{number}"):
                class_id = lease.page.class_id or classes[len(made) % len(classes)]
                made.append(client.labels.submit(collection, lease.token, _said(lease, class_id)))


def _said(lease: Lease, class_id: int) -> list[Judgement]:
    return [Judgement(class_id, Verdict.IS, lease.page.rows)]
