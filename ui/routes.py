"""The HTTP routes of the grid: leases, answers, undo, thumbnails. JSON in, JSON out.

A browser of another site can't use them: a request that changes something must carry the header
`X-Hundredfold`, which a foreign page can't send without being asked first (CORS), and must come from
the same origin.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from hundredfold.chassis.errors import InvalidArgument, PermissionDenied, ServiceError
from hundredfold.client.types import Judgement, Lease, Progress, Schema, Verdict
from ui.backend import client, thumbnails

_STATUS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "FAILED_PRECONDITION": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 503,
}
_MOST_BYTES = 1 << 20
_MOST_ANSWERS = 64

Body = Mapping[str, Any]


def routes() -> list[BaseRoute]:
    """All routes, to be mounted beside Streamlit."""
    at = "/api/collections/{collection}"
    return [
        _get(f"{at}/state", state),
        _post(f"{at}/leases", leases),
        _post(f"{at}/renewals", renewals),
        _post(f"{at}/releases", releases),
        _post(f"{at}/answers", answers),
        _post(f"{at}/undo", undo),
        _post(f"{at}/classes", classes),
        Route(f"{at}/thumbnails/{{row:int}}", thumbnail),
        Route(f"{at}/images/{{row:int}}", image),
    ]


def state(collection: str) -> dict[str, Any]:
    """The schema and how far the work is."""
    loop = client().selection.get(collection)
    return {
        "schema": _schema(client().catalog.schema(collection)),
        "progress": _progress(client().labels.progress(collection)),
        "phase": loop.phase,
        "trouble": loop.trouble,
    }


def leases(collection: str, body: Body) -> dict[str, Any]:
    """Lease pages; their thumbnails are here before the browser asks for them."""
    found = client().labels.lease(
        collection, str(body.get("annotator", "")), limit=int(body.get("limit", 1))
    )
    for each in found:
        thumbnails.fetch(collection, each.page.rows.tolist())
    progress = client().labels.progress(collection)
    return {"leases": [_lease(each) for each in found], "progress": _progress(progress)}


def renewals(collection: str, body: Body) -> dict[str, Any]:
    """Prolong leases."""
    return {"tokens": sorted(client().labels.renew(collection, _tokens(body)))}


def releases(collection: str, body: Body) -> dict[str, Any]:
    """Give pages back."""
    client().labels.release(collection, _tokens(body))
    return {}


def answers(collection: str, body: Body) -> dict[str, Any]:
    """Take answers in order; each is acknowledged or refused by itself.

    A service that is away fails the whole request, and the browser sends it again.
    """
    given = body.get("answers", [])
    if not isinstance(given, list) or len(given) > _MOST_ANSWERS:
        raise InvalidArgument(f"give at most {_MOST_ANSWERS} answers", field="answers")
    taken = [_answer(collection, each) for each in given]
    return {"answers": taken, "progress": _progress(client().labels.progress(collection))}


def _answer(collection: str, answer: Body) -> dict[str, Any]:
    request_id = str(answer["request_id"])
    try:
        seq = client().labels.submit(
            collection,
            int(answer["token"]),
            [_judgement(each) for each in answer["judgements"]],
            seconds=float(answer.get("seconds", 0)),
            request_id=request_id,
        )
    except ServiceError as error:
        if _STATUS.get(error.code, 500) >= 500 or error.code == "UNAUTHENTICATED":
            raise
        return {"request_id": request_id, "refused": error.message, "reason": error.reason}
    return {"request_id": request_id, "seq": seq}


def undo(collection: str, body: Body) -> dict[str, Any]:
    """Take a decision back and lease its page again."""
    undone = client().labels.undo(
        collection,
        str(body.get("annotator", "")),
        seq=int(body["seq"]),
        lease_again=True,
        request_id=str(body["request_id"]),
    )
    return {"lease": _lease(undone.lease) if undone.lease else None}


def classes(collection: str, body: Body) -> dict[str, Any]:
    """Add a class."""
    return _schema(client().catalog.add_classes(collection, [str(body["name"])]))


async def thumbnail(request: Request) -> Response:
    """One thumbnail."""
    return await _jpeg(request, thumbnails.get)


async def image(request: Request) -> Response:
    """One image, large."""
    return await _jpeg(request, client().catalog.image)


async def _jpeg(request: Request, read: Callable[[str, int], bytes]) -> Response:
    try:
        data = await run_in_threadpool(
            read, request.path_params["collection"], request.path_params["row"]
        )
    except ServiceError as error:
        return _refusal(error)
    if not data:
        return Response(status_code=404)
    # A row never changes its image: the browser may keep it.
    headers = {
        "Cache-Control": "private, max-age=86400, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    return Response(data, media_type="image/jpeg", headers=headers)


def _get(path: str, call: Callable[[str], dict[str, Any]]) -> Route:
    async def endpoint(request: Request) -> Response:
        return await _reply(call, request.path_params["collection"])

    return Route(path, endpoint)


def _post(path: str, call: Callable[[str, Body], dict[str, Any]]) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            body = await _body(request)
        except ServiceError as error:
            return _refusal(error)
        return await _reply(call, request.path_params["collection"], body)

    return Route(path, endpoint, methods=["POST"])


async def _reply(call: Callable[..., dict[str, Any]], *arguments: object) -> Response:
    try:
        return JSONResponse(await run_in_threadpool(call, *arguments))
    except ServiceError as error:
        return _refusal(error)
    except (KeyError, TypeError, ValueError) as error:
        return _refusal(InvalidArgument(f"the request is not of the right form: {error!r}"))


async def _body(request: Request) -> Body:
    _check_same_site(request)
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > _MOST_BYTES:
        raise InvalidArgument(f"send at most {_MOST_BYTES} bytes, and say how many")
    try:
        body = await request.json()
    except ValueError as error:
        raise InvalidArgument("the body is not JSON") from error
    if not isinstance(body, dict):
        raise InvalidArgument("the body is not a JSON object")
    return body


def _check_same_site(request: Request) -> None:
    origin = request.headers.get("origin")
    if "x-hundredfold" not in request.headers or (
        origin and urlsplit(origin).netloc != request.headers.get("host")
    ):
        raise PermissionDenied("only the labelling UI itself may send this")


def _refusal(error: ServiceError) -> JSONResponse:
    body = {"reason": error.reason, "message": error.message}
    return JSONResponse(body, status_code=_STATUS.get(error.code, 500))


def _tokens(body: Body) -> list[int]:
    return [int(each) for each in body.get("tokens", [])]


def _judgement(given: Body) -> Judgement:
    rows = np.array(given["rows"], np.int64)
    return Judgement(int(given["class_id"]), Verdict(given["verdict"]), rows)


def _lease(lease: Lease) -> dict[str, Any]:
    page = lease.page
    return {
        "token": lease.token,
        "expires_at": lease.expires_at,
        "kind": page.kind,
        "rows": page.rows.tolist(),
        "class_id": page.class_id,
        "second": page.second.tolist(),
        "probability": [round(each, 4) for each in page.probability.tolist()],
    }


def _schema(schema: Schema) -> dict[str, Any]:
    return {
        "version": schema.version,
        "classes": [
            {
                "class_id": each.class_id,
                "name": each.name,
                "key": each.key,
                "color": each.color,
                "guideline": each.guideline,
            }
            for each in schema.in_use
        ],
    }


def _progress(progress: Progress) -> dict[str, Any]:
    return {
        "total": progress.total,
        "labelled": progress.labelled,
        "unsure": progress.unsure,
        "decisions": progress.decisions,
        "labels_per_minute": progress.labels_per_minute,
        "ready_pages": progress.ready_pages,
    }
