"""The hashing service: `hundredfold-hashing`, or `python -m hundredfold.hashing`."""

import sys

from hundredfold.chassis.config import from_env
from hundredfold.chassis.engine import engine
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.runs import Job, Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import build_server, serve
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.threads import one_thread_a_product
from hundredfold.hashing import duplicates_job, hash_job, leaks_job
from hundredfold.hashing.compiling import compile_ahead
from hundredfold.hashing.config import HashingConfig
from hundredfold.hashing.servicer import HashingServicer, hashing_mount

_SERVICE = "hashing"


@entry_point
def main() -> int:
    """Serve until SIGTERM."""
    config = from_env(HashingConfig, _SERVICE)
    one_thread_a_product()
    store = ArtifactStore(config.store)
    sources = Sources(config.sources)
    jobs: dict[str, Job] = {
        hash_job.KIND: hash_job.HashCollection(store, sources),
        duplicates_job.KIND: duplicates_job.FindDuplicates(store, config.scratch),
        leaks_job.KIND: leaks_job.FindLeaks(store),
    }
    runs = Runs(store, _SERVICE, jobs, engine=engine(config.engine, config.processes or None))
    servicer = HashingServicer(store, runs, sources)
    server = build_server(config, _SERVICE, [hashing_mount(servicer), runs_mount(runs)])
    compile_ahead()
    runs.resume()
    return serve(server, on_stop=runs.close)


if __name__ == "__main__":
    sys.exit(main())
