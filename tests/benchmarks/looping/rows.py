"""The rows of the table: what is measured, on which collections."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.client.simulation import Clock, Settings, Stop

TARGETS = (0.95, 0.98)


@dataclass(frozen=True)
class Source:
    """A collection of the table: a folder, and how it is read."""

    name: str
    images: str = ""
    truth: str = "labels.csv"
    columns: tuple[tuple[str, str], ...] = ()

    def reason_to_skip(self, folder: Path) -> str:
        """Why it can't be measured; empty when it can."""
        wanted = folder / self.name / self.truth
        return "" if wanted.is_file() else f"there is no {self.name}/{self.truth}"


SOURCES = (
    Source("clothing"),
    Source("caltech101"),
    Source(
        "cifar10",
        images="images.parquet",
        truth="images.parquet",
        columns=(("key_column", "id"), ("image_column", "image")),
    ),
)


@dataclass(frozen=True)
class Row:
    """One row: the loop as it is, or one thing otherwise.

    Attributes:
        name: in the table, and for `--option rows=..`.
        policy, without, miss, clock, stop: as in `Settings`.
        page_look: seconds to look at a page of 48; 0 = the cost model's 4.
        copies: every image is labelled by itself, copies too.
        only: the collections it is measured on; empty = all.
    """

    name: str
    policy: str = ""
    without: tuple[str, ...] = ()
    miss: float = 0.0
    clock: Clock = Clock.WAIT
    stop: Stop = Stop.CERTIFICATE
    page_look: float = 0.0
    copies: bool = False
    only: tuple[str, ...] = ()

    def settings(self, space: str, pace: float) -> Settings:
        """What to simulate, beginning in a space."""
        return Settings(
            targets=TARGETS,
            stop=self.stop,
            clock=self.clock,
            pace=pace,
            space=space,
            policy=self.policy,
            without=self.without,
            miss_rate=self.miss,
        )


SYSTEM = Row("system")
NO_FINE_TUNING = Row("no-fine-tuning", without=("fine-tuning",))
MARGIN = Row("singles-by-margin", policy="margin", stop=Stop.TRUTH)
"""The strongest ordinary active learning; stopped by the truth, as it asks for no audit of its own."""

ROWS = (
    SYSTEM,
    NO_FINE_TUNING,
    MARGIN,
    Row("stopped-by-truth", stop=Stop.TRUTH),
    Row("real-clock", clock=Clock.REAL, only=("clothing",)),
    # Those that follow differ in one thing from NO_FINE_TUNING, beside which they are read.
    Row("misses-5-percent", miss=0.05, without=("fine-tuning",)),
    Row("misses-5-percent-no-cleaning", miss=0.05, without=("fine-tuning", "cleaning")),
    Row("page-look-8-s", page_look=8.0, without=("fine-tuning",)),
    Row("page-look-12-s", page_look=12.0, without=("fine-tuning",)),
    Row("no-negatives", without=("fine-tuning", "negatives")),
    Row("random-pages", policy="random", without=("fine-tuning",)),
    Row("no-dedup", copies=True, without=("fine-tuning",)),
)


def chosen(given: str, among: tuple[Any, ...]) -> list[Any]:
    """Those that are named, separated by commas, in their own order; all when none is."""
    names = [each.strip() for each in given.split(",") if each.strip()]
    unknown = set(names) - {each.name for each in among}
    if unknown:
        known = ", ".join(each.name for each in among)
        raise InvalidArgument(f"{min(unknown)} is none of {known}", field="option")
    return [each for each in among if not names or each.name in names]
