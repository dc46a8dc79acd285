import sys

import pytest

from hundredfold.chassis.config import from_env
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.config import IndexConfig
from hundredfold.index.engines import engine_of
from hundredfold.index.indexes import Indexes


def config(**environ):
    return from_env(IndexConfig, "index", {f"HUNDREDFOLD_{k}": v for k, v in environ.items()})


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(str(tmp_path))


def test_the_store_keeps_indexes_unless_told_otherwise(store):
    assert isinstance(engine_of(config(ENGINE="ray"), store), Indexes)  # that is for runs


def test_milvus_keeps_them_when_told_so_and_need_not_be_there_yet(store):
    milvus = pytest.importorskip("hundredfold.index.milvus.indexes")
    told = config(INDEX_ENGINE="milvus", INDEX_MILVUS_URI="http://127.0.0.1:9")
    assert isinstance(engine_of(told, store), milvus.MilvusIndexes)


def test_an_engine_that_is_none_is_refused_with_those_that_are(store):
    with pytest.raises(InvalidArgument, match="local, milvus"):
        engine_of(config(INDEX_ENGINE="lucene"), store)


def test_a_kind_of_milvus_index_that_is_none_is_refused_with_those_that_are(store):
    pytest.importorskip("pymilvus")
    with pytest.raises(InvalidArgument, match="HNSW, IVF_FLAT, IVF_SQ8"):
        engine_of(config(INDEX_ENGINE="milvus", INDEX_MILVUS_KIND="TREE"), store)


def test_without_its_extra_milvus_is_refused_with_what_to_install(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    monkeypatch.delitem(sys.modules, "hundredfold.index.milvus.connection", raising=False)
    with pytest.raises(InvalidArgument, match=r"hundredfold\[milvus\]"):
        engine_of(config(INDEX_ENGINE="milvus"), store)


def test_the_token_is_never_shown():
    assert "secret" not in repr(config(INDEX_MILVUS_TOKEN="root:secret"))  # noqa: S106
