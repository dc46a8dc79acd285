"""The training service: `hundredfold-training`, or `python -m hundredfold.training`."""

import os
import sys

from hundredfold.chassis.client import peer
from hundredfold.chassis.config import from_env
from hundredfold.chassis.engine import engine
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.server import build_server, serve
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.threads import one_thread_a_product
from hundredfold.training.config import TrainingConfig
from hundredfold.training.finetune.recipe import FineTuneRecipe
from hundredfold.training.finetune_job import KIND, FineTune, Tuner
from hundredfold.training.fitting import Fitter
from hundredfold.training.judging import Judge
from hundredfold.training.peers import Ledger
from hundredfold.training.scratch import Scratch
from hundredfold.training.servicer import TrainingServicer, training_mount
from hundredfold.training.spaces import Spaces
from hundredfold.training.spreading import Spread
from hundredfold.training.store import HeadStore

_SERVICE = "training"


@entry_point
def main() -> int:
    """Serve until SIGTERM."""
    one_thread_a_product()
    config = from_env(TrainingConfig, _SERVICE)
    store = ArtifactStore(config.store)
    scratch = Scratch(config.scratch, config.scratch_megabytes << 20)
    spaces = Spaces(
        store,
        dimensions=config.dimensions,
        most=config.open_spaces,
        scratch=scratch,
        threads=config.threads or os.cpu_count() or 1,
    )
    heads = HeadStore(store, config.keep_heads)
    channel = peer(config, "labels")
    ledger = Ledger(channel, config.ledger_seconds)
    elsewhere = None if config.engine == "local" else engine(config.engine)
    spread = Spread(store, spaces.workers, elsewhere)
    fitter = Fitter(store, spaces, heads, ledger, spread)
    judge = Judge(store, spaces, heads, ledger)
    job = FineTune(
        store,
        ledger,
        sources=config.sources,
        folder=config.finetune_folder,
        recipe=FineTuneRecipe().within(config.finetune_images, config.finetune_batch),
    )
    # One at a time: each takes all cores, or the GPU.
    runs = Runs(store, _SERVICE, {KIND: job}, at_once=1)
    servicer = TrainingServicer(store, heads, fitter, judge, Tuner(job, runs))
    server = build_server(config, _SERVICE, [training_mount(servicer), runs_mount(runs)])
    runs.resume()

    def stop() -> None:
        runs.close()
        channel.close()
        if elsewhere:
            elsewhere.close()

    return serve(server, on_stop=stop)


if __name__ == "__main__":
    sys.exit(main())
