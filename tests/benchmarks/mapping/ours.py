"""Makes the map of a space as a Project run does, in a process of its own, and tells what it takes.

python -m tests.benchmarks.mapping.ours STORE COLLECTION
"""

import json
import sys
import time

from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain import plane
from hundredfold.index.mapping import Mapper
from hundredfold.index.maps import Maps
from hundredfold.index.spaces import Spaces
from tests.benchmarks.mapping.peer import peak

SPACE = "made@1"


def main(root: str, collection: str) -> None:
    """Print what was measured as JSON."""
    store = ArtifactStore(root)
    maps = Maps(store)
    wall, cpu = time.perf_counter(), time.process_time()
    source = Spaces(store).read(collection, SPACE, deep=True)
    asked = {"space": SPACE}
    made = Mapper(maps).made(collection, source, asked, 0, lambda done, total: None)
    maps.save(collection, "bench", made, source, asked)
    told = {
        "wall_s": round(time.perf_counter() - wall, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_rss_bytes": peak(),
        "landmarks": min(plane.LANDMARKS, len(source.rows)),
    }
    print(json.dumps(told))  # noqa: T201 - its result


if __name__ == "__main__":
    main(*sys.argv[1:])
