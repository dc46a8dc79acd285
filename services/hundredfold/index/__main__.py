"""The index service: `python -m hundredfold.index`, set up by HUNDREDFOLD_INDEX_* (see `config.py`)."""

import sys

from hundredfold.chassis.config import from_env
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import build_server, serve
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.config import IndexConfig
from hundredfold.index.domain import device
from hundredfold.index.jobs import Jobs
from hundredfold.index.searching import Searcher
from hundredfold.index.servicer import IndexServicer, index_mount
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore


@entry_point
def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    config = from_env(IndexConfig, "index")
    device.limit_process(config.threads)
    store = ArtifactStore(config.store)
    spaces, kept = Spaces(store), IndexStore(store)
    jobs = Jobs(spaces, kept, threads=config.threads, exact_below=config.exact_below)
    searcher = Searcher(spaces, kept, threads=config.threads, open_indexes=config.open_indexes)
    runs = Runs(store, "index", jobs.by_kind())
    servicer = IndexServicer(spaces, kept, searcher, runs)
    server = build_server(config, "index", [index_mount(servicer), runs_mount(runs)])
    runs.resume()
    return serve(server, on_stop=runs.close)


if __name__ == "__main__":
    sys.exit(main())
