"""Which cluster a name means, after people have split and merged some."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound
from hundredfold.chassis.storage import layout

MOST_EDITS = 1000
"""So many changes are remembered: a name from before them is refused."""


@dataclass(frozen=True)
class Lineage:
    """Where the latest clustering comes from.

    Attributes:
        run: its own name.
        count: its clusters.
        edits: the clusterings before it, oldest first, each with the numbers that were changed in it.
    """

    run: str
    count: int
    edits: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, run: str, meta: Mapping[str, Any]) -> "Lineage":
        """As the manifest of a clustering tells it."""
        edits = tuple((str(name), tuple(changed)) for name, changed in meta.get("edits", ()))
        return cls(run, int(meta["count"]), edits)

    @property
    def runs(self) -> list[str]:
        """The clusterings before it, oldest first."""
        return [run for run, _ in self.edits]

    def number(self, name: str) -> int:
        """The number of the cluster `run/number`, which is the same in all clusterings that left it alone.

        Raises:
            InvalidArgument: it is not of that form.
            NotFound: there is no such clustering in this line, or no such cluster.
            Conflict: CLUSTER_CHANGED.
        """
        run, number = parsed(name)
        if number >= self.count:
            raise NotFound(f"there is no cluster {name}", field="cluster")
        if run == self.run:
            return number
        if run not in self.runs:
            raise Conflict(
                f"cluster {name} is of other clusters than those in use", reason="CLUSTER_CHANGED"
            )
        since = self.edits[self.runs.index(run) :]
        if any(number in changed for _, changed in since):
            raise Conflict(f"somebody has changed cluster {name} since", reason="CLUSTER_CHANGED")
        return number

    def after(self, changed: Iterable[int]) -> list[list[Any]]:
        """The edits of the clustering that comes of changing these numbers."""
        edits = [*self.edits, (self.run, tuple(sorted(changed)))]
        return [[run, list(numbers)] for run, numbers in edits[-MOST_EDITS:]]


def parsed(name: str) -> tuple[str, int]:
    """Run and number of `run/number`; InvalidArgument."""
    run, slash, number = name.rpartition("/")
    if not slash or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise InvalidArgument("a cluster is named run/number", field="cluster")
    return layout.check_run(run, "cluster"), int(number)
