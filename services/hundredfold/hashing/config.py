"""Settings of the hashing service: `HUNDREDFOLD_HASHING_<FIELD>`, see `chassis.config.from_env`."""

from dataclasses import dataclass

from hundredfold.chassis.config import ServerConfig


@dataclass(frozen=True)
class HashingConfig(ServerConfig):
    """What the hashing service can be told, beside what every service can.

    Attributes:
        sources: folders and URI prefixes that images may be read from; none = nothing.
        engine: where a collection is hashed: `local`, in processes of this machine, or `ray`, on the cluster at RAY_ADDRESS.
        processes: how many hash a collection; 0 = one a CPU of this machine, or two a CPU of the cluster.
        scratch: folder for files of runs at work, on a disk of this machine (some 40 bytes for each pair of
            near hashes); empty = in the store, if that is on this machine.
    """

    sources: tuple[str, ...] = ()
    engine: str = "local"
    processes: int = 0
    scratch: str = ""
