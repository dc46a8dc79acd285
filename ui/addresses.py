"""What a browser gets at the address of a view, before any script has run.

Streamlit's page finds its server by trying: at `/explore` it asks `/explore/_stcore/health` first, which
a browser's console shows as an error each time. It is told where the server is instead.
"""

from functools import cache
from pathlib import Path

import streamlit as st
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

HOME = "/"
VIEWS = ("review", "explore", "progress", "setup")
"""Each has an address of its own; Label is at home."""

FRAME = Path(__file__).with_name("frame.css")
"""How the frame looks."""

_OTHERS = {"label": HOME, "set-up": "/setup"}
_TOLD = """<meta name="color-scheme" content="light dark" />
    <script>window.__streamlit = { BACKEND_BASE_URL: `${location.origin}/` };</script>
    """
_BEFORE = "<title>Streamlit</title>"


class Addresses:
    """Answers for the views, however they are written; everything else goes on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one connection."""
        here = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
        answer = _answer(scope) if here else None
        await (answer or self._app)(scope, receive, send)


def _answer(scope: Scope) -> Response | None:
    path = str(scope["path"])
    name = path.lower().removeprefix("/").removesuffix("/")
    meant = f"/{name}" if name in VIEWS else _OTHERS.get(name, path)
    if meant != path:
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(f"{meant}?{query}" if query else meant)
    if name in VIEWS or path == HOME:
        return HTMLResponse(_page(), headers={"Cache-Control": "no-cache"})
    return None


@cache
def _page() -> str:
    """Streamlit's page, which is told where its server is, what it is called, and how it looks from the first moment."""
    page = Path(st.__file__).with_name("static") / "index.html"
    look = f"<style>{FRAME.read_text('utf-8')}</style>"
    title = "<title>hundredfold</title>"
    return page.read_text("utf-8").replace(_BEFORE, _TOLD + look + title)
