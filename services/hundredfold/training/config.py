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
        engine: where what heads say of many parts is made: `local`, by those threads, or `ray`, on the cluster at RAY_ADDRESS.
        ledger_seconds: how long to wait for the labels service.
        sources: folders and URI prefixes that images may be read from, to fine-tune backbones; none = nothing.
        finetune_folder: for images and checkpoints of a training, on a disk of this machine (up to 1 GB
            for 10,000 images); empty = in the store, or, where that is no folder of this machine, the
            system's for temporary files.
        finetune_images: a training keeps so many images decoded at most, 200 kB each at 224 px, in that
            folder, from where the kernel maps what it has room for; two thirds of them with a label.
        finetune_batch: images a step; at 224 px a training takes 3.4 GB of memory with 64, 2.0 with 32, 1.4 with 16.
    """

    dimensions: int = 160
    keep_heads: int = 5
    open_spaces: int = 4
    scratch: str = ""
    scratch_megabytes: int = 16_384
    threads: int = 0
    engine: str = "local"
    ledger_seconds: float = 30.0
    sources: tuple[str, ...] = ()
    finetune_folder: str = ""
    finetune_images: int = 60_000
    finetune_batch: int = 64
