"""The HTTP routes of signing in and out."""

import threading
import time

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hundredfold.chassis import people
from hundredfold.chassis.errors import (
    InvalidArgument,
    ResourceExhausted,
    ServiceError,
    Unauthenticated,
)
from ui.attempts import Attempts
from ui.people import Person, person
from ui.registered import Login, Registry, registry
from ui.sign_in_gate import no_cookie, set_cookie
from ui.web import FAILURES, Answer, Body, answered, body_of, failure
from ui.words import say

_WINDOW_SECONDS = 600
_by_name = Attempts(10, _WINDOW_SECONDS)
_by_address = Attempts(40, _WINDOW_SECONDS)
_hashing = threading.BoundedSemaphore(2)  # each takes 32 MiB
_HASHING_SECONDS = 10.0
_used: dict[str, float] = {}  # tickets that were used, until when they would have been good
_used_lock = threading.Lock()


def sign_in_routes() -> list[BaseRoute]:
    """The routes, to be mounted beside Streamlit."""
    return [
        Route("/api/sign-in", sign_in, methods=["POST"]),
        Route("/api/sign-out", sign_out, methods=["POST"]),
        Route("/api/session", session),
    ]


async def sign_in(request: Request) -> Response:
    """Take a name and a pass phrase, or a ticket, and give the browser its login."""
    try:
        body = await body_of(request)
        known = registry()
        login = await run_in_threadpool(_login, known, body, _address(request))
    except FAILURES as error:
        return failure(error)
    response = answered(_told(login.person))
    response.headers["set-cookie"] = set_cookie(known, login, request.scope)
    return response


async def sign_out(request: Request) -> Response:
    """Take the login away from the browser."""
    try:
        await body_of(request)
    except ServiceError as error:
        return failure(error)
    response = answered({})
    response.headers["set-cookie"] = no_cookie(request.scope)
    return response


async def session(_: Request) -> Response:
    """Who is signed in; `name` is empty where anybody may give himself one, and for `nobody`.

    That nobody is signed in is an answer and no refusal: each visitor's browser asks before he has signed in.
    """
    return answered(_told(person()))


def _told(who: Person) -> Answer:
    return {"name": who.name, "role": who.role.name.lower()}


def _login(known: Registry, body: Body, address: str) -> Login:
    if "ticket" in body:
        return _by_ticket(known, str(body["ticket"]))
    return _by_passphrase(known, body["name"], body["passphrase"], address)


def _by_passphrase(known: Registry, name: object, words: object, address: str) -> Login:
    if not (isinstance(name, str) and isinstance(words, str) and name and words):
        raise InvalidArgument(say("sign_in.empty"))
    asked = people.same_name(name)[: people.MOST_CHARACTERS]
    _by_address.begin(address)
    _by_name.begin(asked)
    if not _hashing.acquire(timeout=_HASHING_SECONDS):
        raise ResourceExhausted(say("sign_in.busy"))
    try:
        user = known.by_passphrase(name, words)
    finally:
        _hashing.release()
    _by_name.forgive(asked)
    _by_address.uncount(address)
    return known.issue(user)


def _by_ticket(known: Registry, ticket: str) -> Login:
    found = known.of_ticket(ticket)
    if found is None or not _use(found[1], found[2]):
        raise Unauthenticated(say("sign_in.used"), reason="USED")
    return known.issue(known.by_oidc([found[0]]), oidc=found[0])


def _use(ticket_id: str, good_until: float) -> bool:
    """Whether a ticket was not used before."""
    with _used_lock:
        now = time.time()
        for each in [each for each, until in _used.items() if until < now]:
            del _used[each]
        if ticket_id in _used:
            return False
        _used[ticket_id] = good_until
        return True


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
