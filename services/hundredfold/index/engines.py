"""The engine that a configuration names."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.config import IndexConfig
from hundredfold.index.engine import IndexEngine
from hundredfold.index.indexes import Indexes
from hundredfold.index.signing import signer_of


def engine_of(config: IndexConfig, store: ArtifactStore) -> IndexEngine:
    """Who keeps the indexes.

    Raises:
        InvalidArgument: there is no such engine, or what it needs is not installed.
    """
    if config.index_engine not in ENGINES:
        raise InvalidArgument(
            f"there is no index engine {config.index_engine!r}; there are {', '.join(ENGINES)}",
            field="index_engine",
        )
    return ENGINES[config.index_engine](config, store)


def _local(config: IndexConfig, store: ArtifactStore) -> IndexEngine:
    return Indexes(store, signer_of(config.signing_key))


def _milvus(config: IndexConfig, store: ArtifactStore) -> IndexEngine:
    try:
        from hundredfold.index.milvus.connection import Address, Milvus  # noqa: PLC0415  optional
    except ImportError as error:
        raise InvalidArgument(
            "the engine `milvus` needs hundredfold[milvus]", field="index_engine"
        ) from error
    from hundredfold.index.milvus.indexes import MilvusIndexes  # noqa: PLC0415  needs the above
    from hundredfold.index.milvus.kinds import kind_of  # noqa: PLC0415

    address = Address(
        config.milvus_uri, config.milvus_token, config.milvus_database, config.milvus_seconds
    )
    return MilvusIndexes(store, Milvus(address), kind_of(config.milvus_kind))


ENGINES: Mapping[str, Callable[[IndexConfig, ArtifactStore], IndexEngine]] = MappingProxyType(
    {"local": _local, "milvus": _milvus}
)
