"""The index service: `hundredfold-index`, or `python -m hundredfold.index`."""

import sys

from hundredfold.chassis.config import from_env
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import build_server, serve
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.config import IndexConfig
from hundredfold.index.domain import device
from hundredfold.index.editing import Editor
from hundredfold.index.engines import engine_of
from hundredfold.index.jobs import Jobs
from hundredfold.index.searching import Searcher
from hundredfold.index.servicer import IndexServicer, index_mount
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore

_SERVICE = "index"


@entry_point
def main() -> int:
    """Serve until SIGTERM."""
    config = from_env(IndexConfig, _SERVICE)
    device.limit_process(config.threads)
    store = ArtifactStore(config.store)
    spaces, kept = Spaces(store), IndexStore(store, engine_of(config, store))
    memory = config.memory_bytes or device.memory() // 4
    jobs = Jobs(spaces, kept, threads=config.threads, exact_below=config.exact_below, memory=memory)
    searcher = Searcher(spaces, kept, threads=config.threads, open_indexes=config.open_indexes)
    runs = Runs(store, _SERVICE, jobs.by_kind())
    editor = Editor(spaces, kept, threads=config.threads)
    servicer = IndexServicer(spaces, kept, searcher, editor, runs)
    server = build_server(config, _SERVICE, [index_mount(servicer), runs_mount(runs)])
    runs.resume()
    return serve(server, on_stop=runs.close)


if __name__ == "__main__":
    sys.exit(main())
