"""umap-learn on vectors, in an environment of its own; needs numpy and it, nothing else.

    python peer.py VECTORS.npy POINTS.npy [VECTORS.npy POINTS.npy ..]

As its documentation starts, with the cosine and all cores. Vectors are float16 [n, d]; the first that are laid out wait for the compiler.
"""

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def main(*files: str) -> None:
    """Print what was measured of each as JSON."""
    begun = time.process_time()
    umap: Any = importlib.import_module("umap")
    imported = round(time.process_time() - begun, 1)
    laid = [_laid(umap, *pair) for pair in zip(files[::2], files[1::2], strict=True)]
    print(json.dumps([{**each, "import_cpu_s": imported} for each in laid]))  # noqa: T201 - its result


def peak() -> int:
    """Bytes of this process in memory at most so far; getrusage tells those of its parent too."""
    words = (line.split() for line in Path("/proc/self/status").read_text("ascii").splitlines())
    return next(int(each[1]) << 10 for each in words if each[0] == "VmHWM:")


def _laid(umap: Any, vectors: str, points: str) -> dict[str, Any]:
    wide = np.load(vectors).astype(np.float32)
    wall, cpu = time.perf_counter(), time.process_time()
    np.save(points, umap.UMAP(n_neighbors=15, metric="cosine").fit_transform(wide))
    return {
        "wall_s": round(time.perf_counter() - wall, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_rss_bytes": peak(),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
