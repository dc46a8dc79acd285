"""The catalog service: `hundredfold-catalog`, or `python -m hundredfold.catalog`."""

import os
import sys

from hundredfold.catalog.config import CatalogConfig
from hundredfold.catalog.ingest import KIND, Ingest
from hundredfold.catalog.servicer import CatalogServicer, catalog_mount
from hundredfold.catalog.store import CatalogStore
from hundredfold.chassis.config import from_env
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import build_server, serve
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore

_SERVICE = "catalog"


@entry_point
def main() -> int:
    """Serve until SIGTERM."""
    config = from_env(CatalogConfig, _SERVICE)
    store = ArtifactStore(config.store)
    sources = Sources(config.sources)
    ingest = Ingest(store, sources, config.decoders or os.cpu_count() or 1, config.flush_rows)
    runs = Runs(store, _SERVICE, {KIND: ingest})
    servicer = CatalogServicer(CatalogStore(store), sources, runs)
    server = build_server(config, _SERVICE, [catalog_mount(servicer), runs_mount(runs)])
    runs.resume()
    return serve(server, on_stop=runs.close)


if __name__ == "__main__":
    sys.exit(main())
