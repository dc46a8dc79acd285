"""Vectors from elsewhere taken in as a space: `hundredfold bench imports`.

The same vectors in three files: an array in the order of the rows, an array in no order with the rows beside it, and a
Parquet file in no order with the URIs. Beside them a bare loop over the array in order: read, scale to length 1, write float16 and
its sha256, which is what no import can do without. Each is a process of its own, so that its memory is its own.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.vector_files import Asked
from tests.benchmarks.vectors.imported import alone, bare, imported
from tests.contract.embedding_fixtures import put_collection

_GROUP = 50_000


def measure(
    say: Callable[[str], None], *, rows: str = "500000", dimensions: str = "256"
) -> dict[str, Any]:
    """Vectors a CPU-second, and the most memory, of each file and of the bare loop."""
    with tempfile.TemporaryDirectory(prefix="imports-") as folder:
        root = Path(folder)
        asked = _write(root, int(rows), int(dimensions))
        say("files are written")
        found: dict[str, Any] = {"rows": int(rows), "dimensions": int(dimensions)}
        found["bare"] = alone(bare, root, int(rows))
        for name, each in asked.items():
            found[name] = alone(imported, root, int(rows), name, each)
            say(f"{name}: {found[name]}")
        return found


def _write(root: Path, rows: int, dimensions: int) -> dict[str, Asked]:
    uris = [f"/images/{row:09d}.jpg" for row in range(rows)]
    put_collection(ArtifactStore(str(root / "store")), "many", uris)
    random = np.random.default_rng(0)
    vectors = random.normal(size=(rows, dimensions)).astype(np.float32)
    np.save(root / "ordered.npy", vectors)
    order = random.permutation(rows)
    np.save(root / "mixed.npy", vectors[order])
    np.save(root / "rows.npy", order)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors[order].ravel()), dimensions)
    table = pa.table({"vector": lists, "uri": pa.array(uris).take(pa.array(order))})
    pq.write_table(table, root / "mixed.parquet", row_group_size=_GROUP)
    return {
        "npy_in_order": Asked(str(root / "ordered.npy")),
        "npy_mixed": Asked(str(root / "mixed.npy"), str(root / "rows.npy")),
        "parquet_mixed": Asked(str(root / "mixed.parquet")),
    }
