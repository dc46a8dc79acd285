"""What a guarded worker does: read an image where it is, and look at it."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from hundredfold.catalog.domain.probe import Verdict, probe
from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.sources import Sources

WORK = f"{__name__}:look"


def look(roots: Sequence[str]) -> Callable[[Sequence[str]], Iterator[bytes]]:
    """Look at the images of URIs below `roots`; the results are for `verdict_of`."""
    sources = Sources(tuple(roots))

    def batch(uris: Sequence[str]) -> Iterator[bytes]:
        for data in _read(sources, uris):
            yield _encoded(_verdict(data))

    return batch


def verdict_of(result: bytes) -> Verdict:
    """The verdict that a worker sent."""
    head, _, thumbnail = result.partition(b"\n")
    told = json.loads(head)
    told["sha256"] = bytes.fromhex(told["sha256"])
    return Verdict(**{**told, "thumbnail": thumbnail})


def _read(sources: Sources, uris: Sequence[str]) -> Iterator[bytes | ServiceError]:
    if any("://" in uri for uri in uris):
        yield from sources.read_many(uris)
        return
    # Local files gain nothing from being read together, and would be held together.
    for uri in uris:
        try:
            yield sources.read(uri)
        except ServiceError as error:
            yield error


def _verdict(data: bytes | ServiceError) -> Verdict:
    if isinstance(data, ServiceError):
        return Verdict(status=data.reason, error=data.message[:200])
    return probe(data)


def _encoded(verdict: Verdict) -> bytes:
    told = asdict(verdict) | {"sha256": verdict.sha256.hex(), "thumbnail": ""}
    return json.dumps(told).encode() + b"\n" + verdict.thumbnail
