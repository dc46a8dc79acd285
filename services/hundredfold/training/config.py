"""Settings of the training service."""

from dataclasses import dataclass

from hundredfold.chassis.config import ServerConfig


@dataclass(frozen=True)
class TrainingConfig(ServerConfig):
    """What the training service can be told, beside what every service can.

    Attributes:
        dimensions: principal components that heads are fitted on.
        keep_heads: how many of the newest heads are kept, besides the one in use.
        open_spaces: how many spaces stay in memory, projected: 4 bytes a dimension and image.
        ledger_seconds: how long to wait for the labels service.
    """

    dimensions: int = 160
    keep_heads: int = 5
    open_spaces: int = 4
    ledger_seconds: float = 30.0
