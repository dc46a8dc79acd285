"""Two hundred answers, one every 30 ms, while something goes wrong: each arrives, each once."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread

from playwright.sync_api import expect

from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.testing import wait_for
from hundredfold.client.types import Event
from tests.e2e.desk import Grid
from tests.e2e.pages import Offered

PAGES = 200
SPACING = 0.03  # seconds between two keys


def hurry(grid: Grid, pages: int = PAGES, trouble: Callable[[], None] | None = None) -> None:
    """Confirm pages, one every 30 ms; `trouble` begins in the middle and is waited for in the end."""
    begun = Thread(target=trouble or (lambda: None))
    start = time.monotonic()
    for number in range(pages):
        grid.page.wait_for_timeout(max(0, 1000 * (start + number * SPACING - time.monotonic())))
        grid.press("Enter")
        if number == pages // 3:
            begun.start()
    begun.join()


def hurry_through_a_cut(grid: Grid, seconds: float) -> None:
    """Half of the pages, then without a network the others; it is back after so many seconds."""
    network = grid.page.context
    hurry(grid, PAGES // 2)
    network.set_offline(True)
    over = time.monotonic() + seconds
    hurry(grid, PAGES - PAGES // 2)
    expect(grid.badge).to_contain_text("offline")
    grid.page.wait_for_timeout(max(0, 1000 * (over - time.monotonic())))
    network.set_offline(False)


def offer_all(offered: Offered) -> None:
    """Let the queue hold a page for each answer that is to come."""
    _offer(offered, range(PAGES))


def assert_each_arrived_once(grid: Grid, offered: Offered, seconds: float = 120) -> None:
    """Every page was decided, none twice; nothing is left in the browser."""
    wait_for(lambda: _is_done(grid, offered), seconds, f"{PAGES} decisions")
    expect(grid.badge).to_have_text("✓ saved")
    made = _decided(grid, offered)
    rows = [row for each in made for said in each.judgements for row in said.rows.tolist()]
    assert len(made) == len({each.request_id for each in made}) == PAGES
    assert sorted(rows) == list(range(PAGES))
    assert grid.storage() == []


def _is_done(grid: Grid, offered: Offered) -> bool:
    with suppress(ServiceError):  # labels may be on its way back
        progress = offered.system.client.labels.progress(offered.name)
        if not progress.leased and not progress.ready and progress.labelled < PAGES:
            # A page that was being handed out when its service was killed is in no queue any more. A loop
            # offers its images again, and so does this.
            labelled = offered.system.client.labels.labels(offered.name).rows.tolist()
            _offer(offered, sorted(set(range(PAGES)) - set(labelled)))
        return len(_decided(grid, offered)) >= PAGES
    return False


def _decided(grid: Grid, offered: Offered) -> list[Event]:
    return offered.decisions(grid.annotator)


def _offer(offered: Offered, rows: Sequence[int]) -> None:
    offered.offer(*([row] for row in rows), kind="VERIFY", class_id=1)
