"""The HTTP routes of Set-up: downloads, and single thumbnails. See `web` for who may use them."""

import csv
import io
from collections.abc import Iterator
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from hundredfold.chassis.errors import InvalidArgument, ServiceError
from hundredfold.client.types import Image
from ui.backend import client
from ui.people import Role, person
from ui.web import bytes_of, refusal

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_LINES = 500


def setup_routes() -> list[BaseRoute]:
    """The routes, to be added to those of the UI."""
    at = "/api/collections/{collection}"
    return [
        bytes_of(f"{at}/thumbnails/{{row:int}}", "image/jpeg", thumbnail),
        Route(f"{at}/unreadable.csv", unreadable),
        Route(f"{at}/exports/{{run}}", exported),
    ]


def thumbnail(request: Request) -> bytes:
    """One thumbnail; nothing for an image that can't be shown."""
    row = request.path_params["row"]
    found = client().catalog.thumbnails(request.path_params["collection"], [row])
    return found.get(row, b"")


async def unreadable(request: Request) -> Response:
    """A CSV of the images that can't be used, and why."""
    collection = request.path_params["collection"]
    try:
        person().need(Role.VIEWER)
        await run_in_threadpool(client().catalog.get, collection)
    except ServiceError as error:
        return refusal(error)
    images = client().catalog.images(collection, failed_only=True)
    return StreamingResponse(
        _csv(images), headers=_download(f"{collection}-unreadable.csv"), media_type="text/csv"
    )


async def exported(request: Request) -> Response:
    """The file that an export has written, or its folder as a zip, passed on while it is read."""
    collection, run_id = request.path_params["collection"], request.path_params["run"]
    try:
        person().need(Role.REVIEWER)
        run = await run_in_threadpool(client().labels.runs.get, run_id)
        if run.collection != collection or run.kind != "export":
            raise InvalidArgument("this run is no export of the collection", field="run")
        file, pieces = await run_in_threadpool(client().labels.runs.read_file, run_id)
    except ServiceError as error:
        return refusal(error)
    headers = _download(file.name)
    if not file.name.endswith(".zip"):
        headers["Content-Length"] = str(file.bytes)  # so that a browser knows one that was cut
    return StreamingResponse(pieces, headers=headers, media_type="application/octet-stream")


def _download(name: str) -> dict[str, str]:
    return _HEADERS | {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}


def _csv(images: Iterator[Image]) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(["row", "key", "uri", "reason"])
    for place, each in enumerate(images, 1):
        lines.writerow([each.row, each.key, each.uri, each.error])
        if place % _LINES == 0:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    data = text.getvalue().encode("utf-8", "replace")
    text.seek(0)
    text.truncate()
    return data
