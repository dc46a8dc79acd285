"""The selection service: `hundredfold-selection`, or `python -m hundredfold.selection`."""

import sys
from pathlib import Path

from hundredfold.chassis.client import peer
from hundredfold.chassis.config import from_env
from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.entry import entry_point
from hundredfold.chassis.server import build_server, serve
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.selection.config import SelectionConfig
from hundredfold.selection.loops import Loops
from hundredfold.selection.peers import Embedder, Indexer, Ledger, Peers, Trainer
from hundredfold.selection.servicer import SelectionServicer, selection_mount

_SERVICE = "selection"


@entry_point
def main() -> int:
    """Serve until SIGTERM."""
    config = from_env(SelectionConfig, _SERVICE)
    costs = CostModel.load(config.cost_model, Path(config.cost_file) if config.cost_file else None)
    channels = [peer(config, service) for service in ("labels", "training", "index", "embedding")]
    peers = Peers(
        Ledger(channels[0]), Trainer(channels[1]), Indexer(channels[2]), Embedder(channels[3])
    )
    loops = Loops(ArtifactStore(config.store), peers, costs, config)
    server = build_server(config, _SERVICE, [selection_mount(SelectionServicer(loops))])
    loops.resume()

    def end() -> None:
        loops.stop()
        for channel in channels:
            channel.close()  # ends calls that wait for a service that is away
        loops.close()

    return serve(server, on_stop=end)


if __name__ == "__main__":
    sys.exit(main())
