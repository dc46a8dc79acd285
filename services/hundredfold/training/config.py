"""Settings of the training service."""

from dataclasses import dataclass

from hundredfold.chassis.config import ServerConfig


@dataclass(frozen=True)
class TrainingConfig(ServerConfig):
    """What the training service can be told, beside what every service can.

    Attributes:
        dimensions: principal components that heads are fitted on.
        keep_heads: how many of the newest heads are kept, besides the one in use.
        open_spaces: how many spaces stay at hand, projected: 2 bytes a dimension and image on disk.
        scratch: folder for them, on a disk; empty = the system's for temporary files.
        scratch_megabytes: at most so many; what finds no room is projected anew each time.
        threads: that predict, each one part of a collection; 0 = as many as there are processors.
        ledger_seconds: how long to wait for the labels service.
    """

    dimensions: int = 160
    keep_heads: int = 5
    open_spaces: int = 4
    scratch: str = ""
    scratch_megabytes: int = 16_384
    threads: int = 0
    ledger_seconds: float = 30.0
