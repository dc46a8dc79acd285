"""What every route has in common: who may ask, how much, and how an answer or a refusal is sent."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from hundredfold.chassis.errors import InvalidArgument, PermissionDenied, ServiceError
from ui.backend import in_words
from ui.people import Role, person
from ui.words import say

MOST_BYTES = 1 << 20
"""The largest body that is read."""

Body = Mapping[str, Any]
Answer = dict[str, Any]

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
FAILURES = (ServiceError, LookupError, TypeError, ValueError, OverflowError)
"""What a request may fail with that is its own fault, or that of a service."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class TooLarge(InvalidArgument):
    """The body is larger than MOST_BYTES, or does not say how large it is."""


class Anothers(PermissionDenied):
    """It was done by somebody else than the one who is signed in now."""


class NotJson(InvalidArgument):
    """The body is said to be something else than JSON."""


_STATUS_OF: Mapping[type[ServiceError], int] = {TooLarge: 413, NotJson: 415}


def get(path: str, call: Callable[[Request], Answer], least: Role = Role.VIEWER) -> Route:
    """A route that reads, for those who have at least this role."""

    async def endpoint(request: Request) -> Response:
        try:
            person().need(least)
            return answered(await run_in_threadpool(call, request))
        except FAILURES as error:
            return failure(error)

    return Route(path, endpoint)


def post(
    path: str,
    call: Callable[[str, Body], Answer],
    unheard: Callable[[str, Answer], None] | None = None,
    least: Role = Role.LABELER,
) -> Route:
    """A route that changes something: `call` gets the collection and the JSON object that was sent.

    A page of another site can't use it: it asks for a header that such a page may not send without
    being allowed to (CORS), and for the same origin where the browser names one.

    Args:
        path: with `{collection}` in it.
        call: does it.
        unheard: takes it back when the browser left before the answer was there.
        least: the role that it takes.
    """

    async def endpoint(request: Request) -> Response:
        collection = request.path_params["collection"]
        try:
            person().need(least)
            body = await body_of(request)
        except ServiceError as error:
            return refusal(error)
        try:
            answer = await run_in_threadpool(call, collection, body)
            if unheard and await request.is_disconnected():
                await run_in_threadpool(unheard, collection, answer)
        except FAILURES as error:
            return failure(error)
        return answered(answer)

    return Route(path, endpoint, methods=["POST"])


def bytes_of(
    path: str, media_type: str, call: Callable[[Request], bytes], least: Role = Role.VIEWER
) -> Route:
    """A route that reads bytes; 404 when there are none."""

    async def endpoint(request: Request) -> Response:
        try:
            person().need(least)
            data = await run_in_threadpool(call, request)
        except FAILURES as error:
            return failure(error)
        return Response(data, 200 if data else 404, headers=_HEADERS, media_type=media_type)

    return Route(path, endpoint)


class Modules(StaticFiles):
    """Files that a browser asks for again, so that it never mixes modules of two versions."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def is_away(error: ServiceError) -> bool:
    """Whether the same request may be taken later: nothing was wrong with it."""
    return error.code not in _STATUS or error.code in {
        "UNAUTHENTICATED",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
    }


def answered(answer: Answer) -> Response:
    """The answer that says what was asked for."""
    return JSONResponse(answer, headers=_HEADERS)


def refusal(error: ServiceError) -> Response:
    """The answer that says why not."""
    status = _STATUS_OF.get(type(error)) or _STATUS.get(error.code, 500)
    body = {"reason": error.reason, "message": in_words(error)}
    return JSONResponse(body, status, headers=_HEADERS)


def failure(error: Exception) -> Response:
    """The answer that says why not; anything but a ServiceError is the fault of the request."""
    if isinstance(error, ServiceError):
        return refusal(error)
    return refusal(InvalidArgument(f"the request is not of the right form: {error!r:.200}"))


async def body_of(request: Request) -> Body:
    """The JSON object that was sent by the UI itself; raises ServiceError for everything else."""
    _check_same_site(request)
    _check_same_person(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise NotJson("send application/json")
    length = request.headers.get("content-length", "")
    if not (
        length.isascii() and length.isdigit() and len(length) < 9 and int(length) <= MOST_BYTES
    ):
        raise TooLarge(f"send at most {MOST_BYTES} bytes, and say how many")
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("the body is not JSON") from error
    if not isinstance(body, dict):
        raise InvalidArgument("the body is not a JSON object")
    return body


def _check_same_person(request: Request) -> None:
    """What somebody did who is not signed in any more is not taken under another's name."""
    meant = unquote(request.headers.get("x-hundredfold-person", ""))
    if meant and person().name and person().name != meant:
        raise Anothers(say("people.another", name=meant), reason="ANOTHERS")


def _check_same_site(request: Request) -> None:
    origin = request.headers.get("origin")
    if "x-hundredfold" not in request.headers or (
        origin and urlsplit(origin).netloc != request.headers.get("host")
    ):
        raise PermissionDenied("only the labelling UI itself may send this")
