"""The catalog as a process: `python -m hundredfold.catalog`, configured by HUNDREDFOLD_CATALOG_*."""

import os
import sys

from hundredfold.catalog.config import CatalogConfig
from hundredfold.catalog.ingest import Ingest
from hundredfold.catalog.servicer import catalog_mount
from hundredfold.catalog.store import CatalogStore
from hundredfold.chassis.config import from_env
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import build_server, serve
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore


@entry_point
def main() -> int:
    """Serve until SIGTERM; the exit code."""
    config = from_env(CatalogConfig, "catalog")
    store = ArtifactStore(config.store)
    sources = Sources(config.sources)
    ingest = Ingest(store, sources, config.decoders or os.cpu_count() or 1, config.flush_rows)
    runs = Runs(store, "catalog", {"ingest": ingest})
    mounts = [catalog_mount(CatalogStore(store), sources, runs), runs_mount(runs)]
    server = build_server(config, "catalog", mounts)
    runs.resume()
    return serve(server, on_stop=runs.close)


if __name__ == "__main__":
    sys.exit(main())
