"""Parts grow in any order, and what is let go of is read again."""

from pathlib import Path

import numpy as np
import pytest

from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import PartInfo
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.domain.vectors import PartVectors
from hundredfold.embedding.growing import GrowingPart, GrowingParts
from hundredfold.embedding.pieces import EmbeddedPiece
from hundredfold.embedding.store import PartState, Space
from tests.contract.embedding_fixtures import COLOUR

PARTS, ROWS = 3, 40
SECOND = layout.PART_ROWS


class Bench:
    def __init__(self, root: Path, save_seconds: float = 1e9, most_held: int = 10**9) -> None:
        self.store = ArtifactStore(str(root))
        self.space = Space(self.store, "birds", COLOUR)
        self.growing = GrowingParts(save_seconds, most_held)

    def open(self, part: int) -> None:
        rows = np.arange(ROWS) + part * layout.PART_ROWS
        info = PartInfo(part, ROWS, ROWS)
        self.growing.open(
            GrowingPart(self.space, info, PartVectors.empty(3), rows, rows, duplicates="")
        )

    def add(self, part: int, begin: int, end: int, failing: int = -1) -> None:
        tried = np.arange(begin, end) + part * layout.PART_ROWS
        rows = tried[np.arange(begin, end) != failing]
        vectors = np.stack([rows % 997, rows % 31, rows % 7], axis=1).astype(np.float16)
        self.growing.add(EmbeddedPiece(part, tried, rows, vectors))

    def files(self) -> dict[str, bytes]:
        folder = str(self.space)
        return {name: self.store.read_bytes(f"{folder}/{name}") for name in self.store.list(folder)}


def grown(bench: Bench, order: list[int]) -> dict[str, bytes]:
    """All parts, each in quarters that come in this order, the parts in turn."""
    for part in range(PARTS):
        bench.open(part)
    for quarter in order:
        for part in range(PARTS):
            bench.add(part, 10 * quarter, 10 * quarter + 10, failing=13)
    return bench.files()


@pytest.mark.parametrize(("seconds", "held"), [(1e9, 10**9), (0, 10**9), (1e9, 0), (1e9, 25)])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_parts_end_the_same_whatever_the_order_and_whenever_they_are_saved(
    tmp_path: Path, seconds: float, held: int, order: list[int]
) -> None:
    expected = grown(Bench(tmp_path / "one"), [0, 1, 2, 3])
    assert grown(Bench(tmp_path / "other", seconds, held), order) == expected
    assert len(expected) == 2 * PARTS + 1


def test_rows_are_dealt_with_up_to_the_first_that_is_missing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, save_seconds=0)
    bench.open(1)
    bench.add(1, 20, 30, failing=25)
    assert bench.space.state(1) == PartState(0, 1, "", 9)
    bench.add(1, 0, 20)
    assert bench.space.state(1) == PartState(30, 1, "", 29)
    bench.add(1, 30, 40)
    assert bench.space.state(1) == PartState(40, 1, "", 39)
    assert bench.space.read(1).rows.tolist() == [SECOND + row for row in range(40) if row != 25]


def test_a_part_of_which_nothing_was_embedded_is_not_written(tmp_path: Path) -> None:
    bench = Bench(tmp_path, save_seconds=0)
    bench.open(0)
    bench.open(1)
    bench.add(1, 0, 10)
    bench.growing.save()
    assert (bench.space.state(0), bench.space.state(1)) == (PartState(), PartState(10, 0, "", 10))


def test_what_is_damaged_in_the_store_meanwhile_is_told_and_not_overwritten(tmp_path: Path) -> None:
    bench = Bench(tmp_path, most_held=0)
    bench.open(0)
    bench.add(0, 0, 10)
    bench.store.write_bytes(f"{bench.space}/{layout.vectors_part(0)}", b"damaged")
    with pytest.raises(Conflict) as caught:
        bench.add(0, 10, 20)
    assert caught.value.reason == "ARTIFACT_DAMAGED"
    assert bench.store.read_bytes(f"{bench.space}/{layout.vectors_part(0)}") == b"damaged"
