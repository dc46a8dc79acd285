"""What a browser gets at the address of a view."""

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.unit.ui.house import Browser, served
from ui.addresses import VIEWS, Addresses


async def other(_: Request) -> Response:
    return PlainTextResponse("somebody else's")


@pytest.fixture(scope="module")
def ui() -> Iterator[Browser]:
    anything = Route("/{path:path}", other, methods=["GET", "POST"])
    app = Starlette(routes=[anything], middleware=[Middleware(Addresses)])
    with served(app) as browser:
        yield browser


@pytest.mark.parametrize("path", ["/", "/?collection=a", *(f"/{each}" for each in VIEWS)])
def test_the_page_is_told_where_its_server_is(ui: Browser, path: str) -> None:
    reply = ui.get(path)
    page = reply.data.decode()
    assert (reply.status, reply.headers["cache-control"]) == (200, "no-cache")
    assert page.index("BACKEND_BASE_URL") < page.index('src="./static/js')
    assert "<title>hundredfold</title>" in page
    assert page.index(".stAppHeader") < page.index("<body")  # nothing of Streamlit's is seen before
    assert "Streamlit</title>" not in page


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/Explore?collection=a%26b", "/explore?collection=a%26b"),
        ("/explore/", "/explore"),
        ("/label?collection=a", "/?collection=a"),
        ("/Set-up", "/setup"),
    ],
)
def test_an_address_that_is_written_otherwise_leads_to_the_view(
    ui: Browser, path: str, meant: str
) -> None:
    reply = ui.get(path)
    assert (reply.status, reply.headers["location"]) == (307, meant)


@pytest.mark.parametrize("path", ["/nothing", "/explore/_stcore/health", "//explore", "/api/label"])
def test_everything_else_goes_on(ui: Browser, path: str) -> None:
    assert ui.get(path).data == b"somebody else's"


def test_only_who_reads_is_answered(ui: Browser) -> None:
    assert ui.post("/explore", {}).data == b"somebody else's"
