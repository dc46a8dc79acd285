"""The services that selection calls. An error of theirs carries the name of the service."""

from dataclasses import dataclass

from hundredfold.selection.peers.ledger import (
    Audit,
    Heard,
    Ledger,
    PairsHeard,
    Progress,
    page_message,
)
from hundredfold.selection.peers.machines import Embedder, Indexer, Run, RunsOf, Trainer, request_id

__all__ = [
    "Audit",
    "Embedder",
    "Heard",
    "Indexer",
    "Ledger",
    "PairsHeard",
    "Peers",
    "Progress",
    "Run",
    "RunsOf",
    "Trainer",
    "page_message",
    "request_id",
]


@dataclass(frozen=True)
class Peers:
    """All of them."""

    ledger: Ledger
    trainer: Trainer
    indexer: Indexer
    embedder: Embedder
