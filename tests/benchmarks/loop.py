"""Human seconds to a proved accuracy, through the running services: `hundredfold bench loop`.

    hundredfold bench loop --json --option folder=DATA --option store=STORE --option results=loop.jsonl \
        --option collections=clothing --option rows=system,no-fine-tuning --option seeds=3 \
        --option plot=docs/images/loop.png

`folder` (or HUNDREDFOLD_BENCH_COLLECTIONS) holds the folders clothing, caltech101 and cifar10; one that is
not there is skipped, with the reason. Seconds are those of the cost model `page`. Each run is kept as a
line of `results` as soon as it has ended: started again with the same file, and best with the same
`store`, the bench goes on with the first run that is not there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import ServiceError
from hundredfold.cli.output import plain
from hundredfold.cli.simulate import looking
from hundredfold.client import Client, simulation
from hundredfold.client.simulation import Known, Outcome
from tests.benchmarks.looping.bringing_in import bring_in, folder_of, numbers, system
from tests.benchmarks.looping.plot import draw
from tests.benchmarks.looping.results import Key, Results, table
from tests.benchmarks.looping.rows import ROWS, SOURCES, Row, Source, chosen

Say = Callable[[str], None]


def measure(
    say: Say,
    *,
    folder: str = "",
    store: str = "",
    results: str = "",
    collections: str = "",
    rows: str = "",
    seeds: str = "3",
    limit: str = "0",
    pace: str = "1",
    plot: str = "",
) -> dict[str, Any]:
    """Measure what is not in `results` yet, and tell what all of it comes to.

    Args:
        say: tells how far it is.
        folder: of the collections.
        store: of the services; a temporary one when empty.
        results: a file of JSON lines; one in the current folder when empty.
        collections: names, separated by commas; empty = all.
        rows: names, separated by commas; empty = all.
        seeds: how many, from 0; or single ones, separated by commas and ending in one: `2,`.
        limit: only the first so many images of each collection; 0 = all.
        pace: of the rows with the real clock.
        plot: a PNG file for the curves.
    """
    root = folder_of(folder)
    found = Results(Path(results or "bench-loop.jsonl"), int(limit))
    sources = chosen(collections, SOURCES)
    skipped = {each.name: each.reason_to_skip(root) for each in sources}
    work = [
        (source, row, seed)
        for row in chosen(rows, ROWS)
        for source in sources
        if not skipped[source.name] and source.name in (row.only or (source.name,))
        for seed in numbers(seeds)
        if (source.name, row.name, seed) not in found.done()
    ]
    if work:
        with system(store, root) as (client, _):
            bench = Bench(client, root, found, limit=int(limit), pace=float(pace), say=say)
            for source, row, seed in work:
                bench.run(source, row, seed)
    if plot:
        draw(found.lines(), Path(plot))
    return {
        "skipped": {name: why for name, why in skipped.items() if why},
        "table": table(found.lines()),
    }


class Bench:
    """Runs single cells of the table; a collection is brought in when it is first needed."""

    def __init__(
        self, client: Client, root: Path, results: Results, *, limit: int, pace: float, say: Say
    ) -> None:
        self._client = client
        self._root = root.absolute()
        self._results = results
        self._limit = limit
        self._pace = pace
        self._say = say
        self._prepared: dict[str, tuple[Known, str]] = {}

    def run(self, source: Source, row: Row, seed: int) -> None:
        """Measure one cell and keep what came of it; one that fails is told and passed over."""
        key: Key = (source.name, row.name, seed)
        self._say(f"{source.name}, {row.name}, seed {seed}")
        try:
            outcome = self._simulate(source, row, seed)
        except ServiceError as error:
            self._say(f"failed: {error}")
            self._results.add(key, error=str(error))
        else:
            self._results.add(key, outcome=plain(outcome))

    def _simulate(self, source: Source, row: Row, seed: int) -> Outcome:
        name = source.name + ("-with-copies" if row.copies else "")
        if self._limit:
            name += f"-{self._limit}"
        if name not in self._prepared:
            folder = self._root / source.name
            self._prepared[name] = bring_in(
                self._client, name, folder, source, limit=self._limit, find_copies=not row.copies
            )
        known, space = self._prepared[name]
        costs = CostModel.load()
        return simulation.simulate(
            self._client,
            name,
            known,
            looking(costs, row.page_look) if row.page_look else costs,
            row.settings(space, self._pace),
            seed=seed,
            on_point=self._tell,
        )

    def _tell(self, outcome: Outcome) -> None:
        if len(outcome.curve) % 10 == 0:
            point = outcome.curve[-1]
            self._say(
                f"  {point.decisions:4d} pages, {point.seconds:6,.0f} s, {point.accuracy:.2%} right"
            )
