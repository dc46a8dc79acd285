"""The map of Explore at 200,000 images in headless Chromium: `hundredfold bench explore`.

The component, its routes and the services are the real ones; the points, clusters and thumbnails are made up. Told:
how long frames take at rest and while the map is moved and zoomed, and how long it takes from the end of a lasso until every
image in sight of the gallery is painted (the aim is 300 ms). Chromium draws without a graphics card here.
"""

import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain.clustering import summarise
from hundredfold.index.domain.parts import VectorParts
from hundredfold.index.domain.plane import Landmarks, Plane
from hundredfold.index.domain.reduction import Reduction
from hundredfold.index.spaces import Space
from hundredfold.index.store import IndexStore
from tests.contract.embedding_fixtures import photo, put_collection
from tests.unit.ui.explore_house import explore_services
from tests.unit.ui.house import COLLECTION, Browser, client_of, served
from ui.components.explore import __file__ as component
from ui.explore_routes import EXPLORE_MODULES
from ui.routes import routes

KINDS = 60
PICTURES = 24
SIDE = 96
FRAMES = 120
LASSOS = 20
WINDOW = {"width": 1600, "height": 900}
_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic"]

_PAGE = """<!doctype html><meta charset="utf-8"><style>body {{ margin: 0; font-family: sans-serif }} {css}</style>
<body><div class="hfx" tabindex="-1"></div>
<script type="module">
import {{ mount }} from "{modules}/main.js";
mount({{ parentElement: document.body, data: {{ collection: "{collection}", annotator: "bench", role: 4 }} }});
</script>"""

# Acts at every frame, and tells the milliseconds from each frame to the next.
_FRAMES = """([kind, frames]) => new Promise((done) => {
  const canvas = document.querySelector(".points");
  const box = canvas.getBoundingClientRect();
  const act = {
    rest: () => {},
    move: (at) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key: at % 40 < 20 ? "ArrowRight" : "ArrowLeft", bubbles: true })),
    zoom: (at) => canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: at % 40 < 20 ? -60 : 60, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, cancelable: true })),
  }[kind];
  const taken = [];
  let before = 0;
  const frame = (now) => {
    if (before) taken.push(now - before);
    before = now;
    if (taken.length === frames) { done(taken); return; }
    act(taken.length);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""

# From the end of the next lasso until every tile in sight has its picture: milliseconds, and how many were picked.
_LISTEN = """() => {
  window.lassoed = new Promise((done) => {
    document.querySelector(".points").addEventListener("pointerup", () => {
      const begun = performance.now();
      const look = () => {
        const gallery = document.querySelector(".gallery").getBoundingClientRect();
        const tiles = [...document.querySelectorAll(".gallery .tile")].filter((tile) => {
          const box = tile.getBoundingClientRect();
          return box.bottom > gallery.top && box.top < gallery.bottom;
        });
        const there = tiles.length && tiles.every((tile) => tile.querySelector("img")?.naturalWidth);
        if (there) requestAnimationFrame(() => done([performance.now() - begun, tiles.length]));
        else requestAnimationFrame(look);
      };
      look();
    }, { once: true, capture: true });
  });
}"""


def measure(say: Callable[[str], None], *, points: str = "200000") -> dict[str, Any]:
    """Open the map of so many points, move and zoom it, draw lassos.

    Raises:
        FileNotFoundError: there is no chromium.
    """
    chromium = os.environ.get("HUNDREDFOLD_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        raise FileNotFoundError("there is no chromium: install Debian's package of that name")
    with (
        tempfile.TemporaryDirectory() as folder,
        _explore(Path(folder), int(points), say) as at,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        page = browser.new_page(viewport=WINDOW)
        found = _look(page, at, say)
        browser.close()
    return {"points": int(points), **found}


def _look(page: Page, at: Browser, say: Callable[[str], None]) -> dict[str, Any]:
    begun = time.perf_counter()
    page.goto(f"http://{at.host}/bench")
    page.wait_for_selector(".hfx[data-state=ready] .points:visible", timeout=30_000)
    opened = time.perf_counter() - begun
    say(f"the map is there after {opened:.1f} s")
    page.evaluate("() => document.fonts.ready")
    frames = {kind: page.evaluate(_FRAMES, [kind, FRAMES]) for kind in ("rest", "move", "zoom")}
    page.keyboard.press("0")
    shown = [_lasso(page, number) for number in range(LASSOS)]
    return {
        "opened_s": round(opened, 2),
        **{f"{kind}_frame_ms": _spread(taken) for kind, taken in frames.items()},
        "lasso_to_images_ms": _spread([each for each, _ in shown]),
        "images_in_sight": min(images for _, images in shown),
    }


def _lasso(page: Page, number: int) -> tuple[float, int]:
    """Draw round a part of the map."""
    box = page.locator(".points").bounding_box()
    assert box
    random = np.random.default_rng(number)
    x, y = (box[side] / 2 * (1 + 0.4 * random.uniform(-1, 1)) for side in ("width", "height"))
    turns = np.linspace(0, 2 * np.pi, 24)
    radius = random.uniform(30, 110)
    page.evaluate(_LISTEN)
    page.mouse.move(box["x"] + x + radius, box["y"] + y)
    page.mouse.down()
    for turn in turns[1:]:
        page.mouse.move(box["x"] + x + radius * np.cos(turn), box["y"] + y + radius * np.sin(turn))
    page.mouse.up()
    milliseconds, images = page.evaluate("() => window.lassoed")
    return milliseconds, images


def _spread(taken: list[float]) -> dict[str, float]:
    return {f"p{share}": round(float(np.percentile(taken, share)), 1) for share in (50, 95)}


@contextmanager
def _explore(folder: Path, points: int, say: Callable[[str], None]) -> Iterator[Browser]:
    """The component on a page of its own, beside its routes."""
    store = ArtifactStore(str(folder / "store"))
    _write(store, points)
    say(f"{points:,} images are in the store")
    css = Path(component).with_name("explore.css").read_text("utf-8")
    words = _PAGE.format(css=css, modules=EXPLORE_MODULES, collection=COLLECTION)

    async def bench(_: Request) -> HTMLResponse:
        return HTMLResponse(words)

    app = Starlette(routes=[Route("/bench", bench), *routes()])
    with explore_services(folder) as house, client_of(house.environ), served(app) as browser:
        yield browser


def _write(store: ArtifactStore, points: int) -> None:
    """A collection with a map, clusters and thumbnails, as the services would leave them."""
    random = np.random.default_rng(0)
    rows = np.arange(points)
    put_collection(store, COLLECTION, ["made up"] * points)
    record = {"collection": COLLECTION, "created_at": 0, "request_id": ""}
    store.write_json(layout.collection_record(COLLECTION), record)
    kind = random.integers(KINDS, size=points)
    middle = random.uniform(-0.8, 0.8, size=(KINDS, 2))
    plane = np.clip(middle[kind] + random.normal(size=(points, 2)) * 0.08, -1, 1)
    source = Space(VectorParts([np.ones((points, 1), np.float16)]), rows, "made up")
    kept = IndexStore(store)
    axes = Reduction(np.zeros(1, np.float32), np.ones((1, 1), np.float32))
    laid = Plane(plane.astype(np.float32), Landmarks(axes, *np.zeros((2, 1, 2), np.float32)))
    kept.maps.save(COLLECTION, "map-1", laid, source, {})
    clusters = summarise(kind.astype(np.int32), np.zeros(points, np.float32), np.ones((KINDS, 1)))
    kept.save_clusters(COLLECTION, "clusters-1", clusters, source, {"space": "made-up@1"})
    _write_thumbs(store, points)


def _write_thumbs(store: ArtifactStore, points: int) -> None:
    jpegs = [_jpeg(number) for number in range(PICTURES)]
    sizes = np.array([len(each) for each in jpegs])
    manifest = Manifest(store, layout.thumbs(COLLECTION))
    for begin in range(0, points, layout.PART_ROWS):
        part, count = begin // layout.PART_ROWS, min(layout.PART_ROWS, points - begin)
        chosen = (begin + np.arange(count)) % PICTURES
        name = layout.thumbs_part(part)
        with store.writer(f"{manifest.folder}/{name}") as out:
            for number in chosen:
                out.write(jpegs[number])
        manifest.add(name, out.artifact, rows=count)
        name = layout.thumbs_offsets(part)
        offsets = np.concatenate([[0], np.cumsum(sizes[chosen])])
        manifest.add(name, store.write_array(f"{manifest.folder}/{name}", offsets), rows=count)
    manifest.save()


def _jpeg(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(photo(seed, SIDE, SIDE)).save(out, "JPEG", quality=70)
    return out.getvalue()
