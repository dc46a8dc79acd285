"""The HTTP routes of Explore: the map, what its points are coloured by, search, clusters, labels for what was picked.

Arrays go to the browser packed: first what they are, as JSON, then each with its length before it (`wire.packed`);
rows as uint32, points as float32, values as int32, all little-endian.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount

from hundredfold.chassis.errors import InvalidArgument, NotFound, ServiceError
from hundredfold.client.types import Found, Judgement, Map, Rows, Run, Selection, Verdict
from ui import wire
from ui.backend import client
from ui.map_colours import COLOURS
from ui.people import Role, person
from ui.web import Answer, Body, Modules, bytes_of, get, post
from ui.words import say

EXPLORE_MODULES = "/explorer"
"""Where the browser finds the modules of Explore; the view itself has the address /explore."""

MOST_NEIGHBOURS = 1000
MOST_PICKED = 10_000
MOST_LABELLED = 1024
MOST_ON_PAGE = 200
MOST_UNDONE = 1000
_BINARY = "application/octet-stream"


def explore_routes() -> list[BaseRoute]:
    """All routes of Explore."""
    at = "/api/collections/{collection}"
    modules = Path(__file__).parent / "components" / "explore" / "modules"
    return [
        get(f"{at}/explore", overview),
        bytes_of(f"{at}/map", _BINARY, points),
        bytes_of(f"{at}/map/colours", _BINARY, colours),
        get(f"{at}/map/run", map_run),
        post(f"{at}/map/run", lay_out, least=Role.REVIEWER),
        post(f"{at}/map/separate", separate, least=Role.VIEWER),
        get(f"{at}/map/unlabelled", unlabelled),
        get(f"{at}/neighbours", neighbours),
        post(f"{at}/search", search, least=Role.VIEWER),
        get(f"{at}/clusters", clusters),
        get(f"{at}/clusters/{{run}}/{{number:int}}/rows", cluster_rows),
        post(f"{at}/clusters/split", split),
        post(f"{at}/clusters/merge", merge, least=Role.REVIEWER),
        post(f"{at}/pages", page, unheard=give_back),
        post(f"{at}/labels", label),
        post(f"{at}/labels/undo", undo_labels),
        Mount(EXPLORE_MODULES, Modules(directory=modules)),
    ]


def overview(request: Request) -> Answer:
    """The classes, how many images there are, and whether there are vectors to search in."""
    collection = request.path_params["collection"]
    known = client().catalog.get(collection)
    with suppress(NotFound):
        return _overview(collection, known.images, space_of(collection))
    return _overview(collection, known.images, "")


def _overview(collection: str, images: int, space: str) -> Answer:
    schema = wire.schema(client().catalog.schema(collection))
    return {"schema": schema, "images": images, "space": space}


def space_of(collection: str) -> str:
    """The space that people see: that of the loop, else the one that was worked on last.

    Raises:
        NotFound: the collection has no vectors yet.
    """
    with suppress(NotFound):
        return client().selection.get(collection).space
    for run in client().index.runs.recent(collection, limit=20):
        if "space" in run.parameters:
            return str(run.parameters["space"])
    raise NotFound(say("explore.no_vectors"), field="collection")


# --- the map ----------------------------------------------------------------------------------------


def points(request: Request) -> bytes:
    """The map: rows, points [n, 2]; of no image when there is none."""
    try:
        found = client().index.map(request.path_params["collection"])
    except NotFound:
        found = Map(np.empty(0, np.int64), np.empty((0, 2), np.float32))
    return packed({"points": len(found.rows)}, found.rows, found.points)


def colours(request: Request) -> bytes:
    """What is known of each image: rows and a value each. `by` is one of COLOURS."""
    by = request.query_params.get("by", "")
    if by not in COLOURS:
        raise InvalidArgument(f"by must be one of {', '.join(COLOURS)}", field="by")
    about, rows, values = COLOURS[by](request.path_params["collection"])
    return packed({"by": by, **about}, rows, values)


def map_run(request: Request) -> Answer:
    """How far the newest making of the map is; `state` is empty when there was none."""
    runs = client().index.runs.recent(request.path_params["collection"], limit=50)
    return _run(next((each for each in runs if each.kind == "project"), None))


def lay_out(collection: str, body: Body) -> Answer:
    """Start to make the map."""
    started = client().index.project(
        collection, space_of(collection), request_id=wire.to_id(body["request_id"])
    )
    return _run(started)


def _run(run: Run | None) -> Answer:
    if run is None:
        return {"state": "", "done": 0, "total": 0, "error": ""}
    return {"state": run.state, "done": run.done, "total": run.total, "error": run.error}


def separate(collection: str, body: Body) -> Answer:
    """The view that best separates two picked groups: rows and points as base64 of the packed arrays."""
    groups = [_picked(body[name], name) for name in ("a", "b")]
    return _packed_view(client().index.separate(collection, space_of(collection), *groups))


def unlabelled(request: Request) -> Answer:
    """The view in which images without a label differ most, as `separate`, and the share its axes have of that."""
    collection = request.path_params["collection"]
    labels = client().labels.labels(collection)
    found = client().index.unlabelled(
        collection, space_of(collection), labels.rows, labels.class_ids
    )
    return {**_packed_view(found.view), "shares": list(found.shares)}


def _packed_view(view: Map) -> dict[str, Any]:
    data = packed({"points": len(view.rows)}, view.rows, view.points)
    return {"packed": base64.b64encode(data).decode()}


# --- search -----------------------------------------------------------------------------------------


def neighbours(request: Request) -> Answer:
    """The images most like one or several, nearest first, those left out; distance = 1 - cosine."""
    collection = request.path_params["collection"]
    rows = np.array(
        [int(each) for each in request.query_params.get("row", "").split(",")], np.int64
    )
    limit = _limit(request.query_params.get("limit", "48"))
    found = client().index.neighbours(collection, space_of(collection), rows, limit=limit)
    return _found(found, limit, without=rows)


def search(collection: str, body: Body) -> Answer:
    """The images most like one that was sent, as base64; nearest first."""
    limit = _limit(body.get("limit", 48))
    try:
        image = base64.b64decode(str(body["image"]), validate=True)
    except binascii.Error as error:
        raise InvalidArgument("image is not base64", field="image") from error
    space = space_of(collection)
    vectors = client().embedding.embed([image], model=space)
    return _found(client().index.search(collection, space, vectors, limit=limit), limit)


def _limit(given: object) -> int:
    limit = int(str(given))
    if not 1 <= limit <= MOST_NEIGHBOURS:
        raise InvalidArgument(f"limit must be 1 to {MOST_NEIGHBOURS}", field="limit")
    return limit


def _found(found: Found, limit: int, without: Rows | None = None) -> Answer:
    """Each image once, with its greatest likeness to any of those asked for."""
    order = np.argsort(-found.similarities, axis=None, kind="stable")
    rows, similarities = found.rows.ravel()[order], found.similarities.ravel()[order]
    kept = rows >= 0
    if without is not None:
        kept &= ~np.isin(rows, without)
    rows, similarities = rows[kept], similarities[kept]
    first = np.sort(np.unique(rows, return_index=True)[1])[:limit]
    distances = np.round(1 - similarities[first].astype(np.float64), 4)
    return {"rows": rows[first].tolist(), "distances": distances.tolist()}


# --- clusters ---------------------------------------------------------------------------------------


def clusters(request: Request) -> Answer:
    """The clusters of the latest clustering that have images; `run` is empty when there is none."""
    collection = request.path_params["collection"]
    try:
        run = client().index.assignment(collection).run
        found = client().index.clusters(collection, run)
    except NotFound:
        return {"run": "", "clusters": []}
    listed = [
        {
            "number": each.number,
            "size": each.size,
            "medoid": each.medoid,
            "spread": round(each.spread, 4),
        }
        for each in found
        if each.size
    ]
    return {"run": run, "clusters": listed}


def cluster_rows(request: Request) -> Answer:
    """The images of a cluster, nearest to its centre first, at most MOST_PICKED."""
    at = request.path_params
    rows = client().index.cluster_rows(
        at["collection"], at["number"], run=at["run"], limit=MOST_PICKED
    )
    return {"rows": rows.tolist()}


def split(collection: str, body: Body) -> Answer:
    """Split a cluster; then the pages in `tokens`, if any, are given back."""
    tokens = wire.to_tokens(body.get("tokens", []))
    run = client().index.split_cluster(
        collection,
        str(body["cluster"]),
        wire.whole(body.get("into", 2)),
        request_id=str(body.get("request_id", "")),
    )
    if tokens:
        with suppress(ServiceError):
            client().labels.release(collection, tokens, annotator=person().name)
    return {"cluster_run": run}


def merge(collection: str, body: Body) -> Answer:
    """Merge clusters."""
    named = body["clusters"]
    if not isinstance(named, list):
        raise InvalidArgument("clusters must be a list", field="clusters")
    run = client().index.merge_clusters(
        collection, [str(each) for each in named], request_id=str(body.get("request_id", ""))
    )
    return {"cluster_run": run}


# --- labels -----------------------------------------------------------------------------------------


def label(collection: str, body: Body) -> Answer:
    """Label picked images as a class, as one decision: those that were free, and its seq (0 = none was)."""
    request_id = wire.to_id(body["request_id"])
    rows, class_id = wire.to_rows(body["rows"]), wire.whole(body["class_id"])
    if not 1 <= len(rows) <= MOST_LABELLED:
        raise InvalidArgument(f"label 1 to {MOST_LABELLED:,} images at a time", field="rows")
    leased = client().labels.lease_rows(
        collection,
        person().named(body["annotator"]),
        rows,
        class_id,
        request_id=f"lease-{request_id}",
    )
    if leased is None:
        return {"seq": 0, "rows": []}
    seq = client().labels.submit(
        collection,
        leased.token,
        [Judgement(class_id, Verdict.IS, leased.page.rows)],
        seconds=float(body["seconds"]),
        request_id=request_id,
    )
    return {"seq": seq, "rows": leased.page.rows.tolist()}


def page(collection: str, body: Body) -> Answer:
    """Lease picked images as a page, about a class (0 = none); `lease` is null when none of them is free."""
    rows = wire.to_rows(body["rows"])
    if not 1 <= len(rows) <= MOST_ON_PAGE:
        raise InvalidArgument(f"a page has 1 to {MOST_ON_PAGE} images", field="rows")
    leased = client().labels.lease_rows(
        collection,
        person().named(body["annotator"]),
        rows,
        wire.whole(body["class_id"]),
        request_id=wire.to_id(body["request_id"]),
    )
    return {"lease": wire.lease(leased) if leased else None}


def give_back(collection: str, answer: Answer) -> None:
    """Give a page back that nobody is there to look at."""
    if answer["lease"]:
        client().labels.release(collection, [answer["lease"]["token"]])


def undo_labels(collection: str, body: Body) -> Answer:
    """Take decisions back, by one event."""
    seqs = [wire.whole(each) for each in body["seqs"]]
    if not 1 <= len(seqs) <= MOST_UNDONE:
        raise InvalidArgument(f"take back 1 to {MOST_UNDONE} decisions", field="seqs")
    undone = client().labels.undo_many(
        collection,
        person().named(body["annotator"]),
        Selection(seqs=tuple(seqs)),
        request_id=wire.to_id(body["request_id"]),
        only_own=person().role < Role.REVIEWER,
    )
    return {"seq": undone.seq}


# --- arrays -----------------------------------------------------------------------------------------


def packed(about: Mapping[str, Any], rows: Rows, values: NDArray[Any]) -> bytes:
    """What is sent of rows and their points or values."""
    head = json.dumps(about).encode()
    kind = "<f4" if values.dtype.kind == "f" else "<i4"
    # The browser reads the arrays in place, which begin at multiples of four bytes.
    head += b" " * (-len(head) % 4)
    return wire.packed([head, rows.astype("<u4").tobytes(), values.astype(kind).tobytes()])


def _picked(given: Any, field: str) -> Rows:
    rows = wire.to_rows(given)
    if not 1 <= len(rows) <= MOST_PICKED:
        raise InvalidArgument(f"pick 1 to {MOST_PICKED:,} images", field=field)
    return rows
