"""Settings of the selection service."""

from dataclasses import dataclass

from hundredfold.chassis.config import ServerConfig


@dataclass(frozen=True)
class SelectionConfig(ServerConfig):
    """What the selection service can be told, beside what every service can.

    Attributes:
        cost_file: a TOML file with cost models of one's own; empty = the packaged one.
        cost_model: which model of the file plans the pages.
        offer_pages: pages that wait in the queue after a round, beside the seed.
        settle_seconds: how long to wait for further decisions before a round.
        check_seconds: how often to look whether the queue ran dry or vectors came.
        most_wait_seconds: longest pause before trying again when a service is away.
    """

    cost_file: str = ""
    cost_model: str = "page"
    offer_pages: int = 32
    settle_seconds: float = 0.05
    check_seconds: float = 2.0
    most_wait_seconds: float = 5.0
