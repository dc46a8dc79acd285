"""Who asks is found out before any route or script is at work, and who is nobody gets in nowhere.

Plain ASGI: nothing is buffered, and a route has its person in a context variable of its own.
"""

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hundredfold.chassis.errors import Unauthenticated
from ui.people import ANYBODY, NOBODY, Person, as_person
from ui.registered import COOKIE, Login, Registry, registry
from ui.web import refusal
from ui.words import say

OPEN = ("/api/sign-in", "/api/sign-out", "/api/session")
"""The routes that nobody may ask, too."""

IN_USE = "/api/session"
"""What a browser asks for when a person does something: pages that renew themselves are no use of a login."""

_GUARDED = ("/api/", "/media/", "/_stcore/upload_file")
_PROTOCOL = "sec-websocket-protocol"
_POLICY = 1008


class Gate:
    """Lets in who has signed in, or anybody as long as nobody is registered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one connection."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._connection(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = registry()
        login, who = _asker(known, scope)
        path = scope["path"]
        with as_person(who):
            if who is NOBODY and path.startswith(_GUARDED) and path not in OPEN:
                await refusal(Unauthenticated(say("sign_in.needed")))(scope, receive, send)
                return
            longer = known.renewed(login) if login and path == IN_USE else None
            if longer:
                send = _with_cookie(send, set_cookie(known, longer, scope))
            await self._app(scope, receive, send)

    async def _connection(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A script's connection: it ends as soon as its login does, and is not taken up by nobody.

        The browser connects again by itself, with the cookie that it has then.
        """
        known = registry()
        who = _asker(known, scope)[1]
        if who is NOBODY:
            scope = _as_new(scope)
        ended = False

        async def heard() -> Message:
            nonlocal ended
            message = await receive()
            if message["type"] == "websocket.receive" and _asker(registry(), scope)[1] != who:
                ended = True
                await send({"type": "websocket.close", "code": _POLICY})
                return {"type": "websocket.disconnect", "code": _POLICY}
            return message

        async def said(message: Message) -> None:
            if not ended:
                await send(message)

        await self._app(scope, heard, said)


def _asker(known: Registry, scope: Scope) -> tuple[Login | None, Person]:
    if known.is_open:
        return None, ANYBODY
    login = known.login(cookie_of(scope))
    return login, login.person if login else NOBODY


def cookie_of(scope: Scope) -> str:
    """What the browser holds of a login; empty when it holds nothing."""
    for line in Headers(scope=scope).getlist("cookie"):
        try:
            found = SimpleCookie(line).get(COOKIE)
        except CookieError:
            continue
        if found:
            return found.value
    return ""


def set_cookie(known: Registry, login: Login, scope: Scope) -> str:
    """The header that gives a browser its login: no script can read it, no other site can have it sent."""
    return _cookie(known.cookie(login), round(login.expires - login.issued), scope)


def no_cookie(scope: Scope) -> str:
    """The header that takes it away."""
    return _cookie("", 0, scope)


def _cookie(value: str, seconds: int, scope: Scope) -> str:
    secure = "; Secure" if scope.get("scheme") in {"https", "wss"} else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"


def _with_cookie(send: Send, cookie: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("set-cookie", cookie)
        await send(message)

    return sending


def _as_new(scope: Scope) -> Scope:
    """The same without the name of an earlier session, of which a person who signed in may be the owner."""
    protocol = Headers(scope=scope).get(_PROTOCOL, "")
    kept = ", ".join(each.strip() for each in protocol.split(",")[:2]).encode()
    headers = [
        (name, kept if name.decode("latin-1").lower() == _PROTOCOL else value)
        for name, value in scope["headers"]
    ]
    return {**scope, "headers": headers}
