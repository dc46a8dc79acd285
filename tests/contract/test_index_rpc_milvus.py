"""Indexes in Milvus: the embedded milvus-lite, which pymilvus talks to over gRPC as to any other."""

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")

from milvus_lite.server_manager import server_manager_instance as embedded
from pymilvus import MilvusClient

from hundredfold.chassis.errors import Conflict, Unavailable
from hundredfold.chassis.runs import State
from hundredfold.chassis.testing import free_ports, wait_for
from hundredfold.index.milvus.connection import Address, Milvus
from hundredfold.index.milvus.indexes import MilvusIndexes
from hundredfold.index.milvus.kinds import KINDS
from hundredfold.index.milvus.names import Name, parsed
from tests.contract.index_contract import ROWS, SEARCHES, VECTORS, IndexContract, call, int64
from tests.contract.index_spaces import COLLECTION, SPACE, blobs, make_collection, write_space
from tests.contract.test_index_rpc import COUNT, DIMENSIONS, EACH, GROUPS, index_service

ALIAS = Name(COLLECTION, SPACE).alias


@pytest.fixture
def milvus(tmp_path):
    path = str(tmp_path / "milvus.db")
    milvus = Milvus(Address(path))
    yield milvus
    milvus.close()
    embedded.release_server(path)


@contextmanager
def served_by(milvus, root, *, kind="HNSW", exact_below=0):
    def indexes(store):
        return MilvusIndexes(store, milvus, KINDS[kind])

    with index_service(root / "store", exact_below=exact_below, indexes_of=indexes) as served:
        make_collection(served.store)
        write_space(served.store, VECTORS, ROWS)
        yield served


@pytest.fixture
def graph(milvus, tmp_path):
    with served_by(milvus, tmp_path) as served:
        served.finish("BuildIndex")
        yield served


class TestMilvusIndexes(IndexContract):
    """Every promise of the service, kept by Milvus."""

    @pytest.fixture(params=[1000, 0], ids=["flat", "hnsw"])
    def indexed(self, request, milvus, tmp_path):
        with served_by(milvus, tmp_path, exact_below=request.param) as served:
            served.finish("BuildIndex")
            yield served


# --- builds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_tells_what_a_build_measured(milvus, tmp_path, kind):
    with served_by(milvus, tmp_path, kind=kind) as served:
        served.finish("BuildIndex")
        told = call(served, "GetIndex")
        assert told.engine == "milvus"
        assert told.kind == KINDS[kind].told
        assert told.factory.startswith(kind)
        assert (told.vectors, told.dimensions) == (COUNT, DIMENSIONS)
        assert 0.9 <= told.recall <= 1
        assert told.held_out == COUNT // 2
        assert told.probes > 0
        assert told.current
        found, _ = served.search(VECTORS, limit=1)
        assert (found[:, 0] == ROWS).mean() > 0.9


def test_a_new_build_takes_the_place_of_the_old_one_which_is_dropped(milvus, graph):
    (before,) = milvus.names()
    assert milvus.pointed(ALIAS) == before
    graph.finish("BuildIndex")
    assert milvus.names() == [before]
    new = blobs(GROUPS, 5, DIMENSIONS, seed=1)
    write_space(graph.store, new, 200_000 + np.arange(len(new)))
    assert not call(graph, "GetIndex").current
    graph.finish("BuildIndex")
    (after,) = milvus.names()
    assert after != before
    assert milvus.pointed(ALIAS) == after
    assert call(graph, "GetIndex").vectors == COUNT + len(new)


def test_a_build_that_was_cut_short_goes_on_and_each_row_is_there_once(milvus, tmp_path):
    with served_by(milvus, tmp_path) as served:
        put, half = milvus.put, []

        def cut(name, rows, vectors):
            put(name, rows, vectors)
            half.append(len(rows))
            raise Unavailable("cut", reason="MILVUS_AWAY")

        milvus.put = cut
        run = served.runs.wait(served.start("BuildIndex").run_id, 60)
        assert run.state is State.FAILED
        with pytest.raises(Conflict) as error:
            call(served, "Search")
        assert error.value.reason == "NO_INDEX"
        milvus.put = put
        served.finish("BuildIndex")
        (name,) = milvus.names()
        assert milvus.count(name) == COUNT


def test_a_build_whose_collection_was_dropped_is_made_anew(milvus, graph):
    (name,) = milvus.names()
    milvus.drop_alias(ALIAS)
    milvus.drop(name)
    for each in (*SEARCHES, "GetIndex"):
        with pytest.raises(Conflict) as error:
            call(graph, each)
        assert error.value.reason == "NO_INDEX"
    graph.finish("BuildIndex")
    assert graph.neighbours(ROWS[:1], limit=5)[0].min() >= 0


def test_the_index_of_a_space_that_is_gone_goes_with_the_next_that_is_built(milvus, graph):
    write_space(graph.store, VECTORS, ROWS, space="other@7")
    graph.store.delete("collections/shapes/vectors/toy@1")
    graph.finish("BuildIndex", space="other@7")
    assert [parsed(name).space for name in milvus.names()] == ["other@7"]


def test_a_space_whose_vectors_are_longer_now_is_refused_with_both_named(graph):
    graph.store.delete("collections/shapes/vectors/toy@1")
    write_space(graph.store, blobs(GROUPS, EACH, 24), ROWS)
    with pytest.raises(Conflict) as error:
        call(graph, "Neighbours")
    assert error.value.reason == "INDEX_OUTDATED"
    assert "16" in str(error.value)
    assert "24" in str(error.value)


# --- errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SEARCHES, "GetIndex"])
def test_milvus_that_is_away_is_unavailable_and_named(tmp_path, name):
    away = Milvus(Address("http://root:secret@127.0.0.1:9", seconds=0.2))
    with served_by(away, tmp_path) as served:
        with pytest.raises(Unavailable) as error:
            call(served, name)
        assert error.value.reason == "MILVUS_AWAY"
        assert "Milvus at http://127.0.0.1:9 does not answer" in str(error.value)
        assert "secret" not in str(error.value)
        run = served.runs.wait(served.start("BuildIndex").run_id, 60)
        assert run.state is State.FAILED
        assert "127.0.0.1:9" in str(run.error)
        assert served.call("RemoveRows", space=SPACE, rows=int64([1])).removed == 1


def test_milvus_that_never_answers_is_unavailable_for_all_who_wait(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with served_by(Milvus(Address(address, seconds=0.2)), tmp_path) as served:

            def ask(name):
                with pytest.raises(Unavailable, match=address) as error:
                    call(served, name)
                return error.value.reason

            with ThreadPoolExecutor(6) as callers:
                assert set(callers.map(ask, 2 * SEARCHES)) == {"MILVUS_AWAY"}


def test_milvus_that_falls_silent_is_unavailable_after_its_deadline(tmp_path):
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(tmp_path / "data")]
    server = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        milvus = Milvus(Address(f"http://127.0.0.1:{port}", seconds=2))
        wait_for(lambda: answers(milvus), 60)
        server.send_signal(signal.SIGSTOP)
        with pytest.raises(Unavailable) as error:
            milvus.names()
        assert error.value.reason == "MILVUS_AWAY"
        server.send_signal(signal.SIGCONT)
        assert wait_for(lambda: answers(milvus), 60)
        milvus.close()
    finally:
        server.kill()
        server.wait()


def answers(milvus):
    try:
        return milvus.names() == []
    except Unavailable:
        return False


@pytest.mark.parametrize("name", SEARCHES)
def test_what_milvus_has_not_loaded_is_loaded_and_searched_by_who_tries_again(milvus, graph, name):
    released = MilvusClient(milvus.address.uri)
    released.release_collection(milvus.pointed(ALIAS))
    assert not milvus.loaded(ALIAS)
    call(graph, name)  # the channel tries again
    assert milvus.loaded(ALIAS)


def test_what_milvus_refuses_is_told_with_what_it_says(milvus, graph):
    with pytest.raises(Conflict) as error:
        milvus.index("hf_no", "HNSW", {})
    assert error.value.reason == "MILVUS_REFUSED"
    assert "hf_no" in str(error.value)
