import numpy as np
import pytest

from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving
from hundredfold.client.index import IndexClient
from hundredfold.client.types import Filter
from hundredfold.index.domain import device
from hundredfold.index.editing import Editor
from hundredfold.index.indexes import Indexes
from hundredfold.index.jobs import Jobs
from hundredfold.index.searching import Searcher
from hundredfold.index.servicer import IndexServicer, index_mount
from hundredfold.index.signing import Signer
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    make_collection,
    scattered_rows,
    write_space,
)

COUNT = 60
ROWS = scattered_rows(COUNT)


@pytest.fixture
def client(tmp_path):
    """Of a service that signs its indexes."""
    device.limit_process(1)
    store = ArtifactStore(str(tmp_path))
    make_collection(store)
    write_space(store, blobs(6, 10), ROWS)
    spaces, kept = Spaces(store), IndexStore(store, Indexes(store, Signer(b"k" * 32)))
    runs = Runs(store, "index", Jobs(spaces, kept, threads=1, exact_below=1000).by_kind())
    searcher = Searcher(spaces, kept, threads=1, open_indexes=1)
    servicer = IndexServicer(spaces, kept, searcher, Editor(spaces, kept, threads=1), runs)
    try:
        with serving(index_mount(servicer), runs_mount(runs)) as channel:
            client = IndexClient(channel)
            client.runs.wait(client.build(COLLECTION, SPACE).run_id)
            yield client
    finally:
        runs.close()


def test_a_client_reads_what_an_index_is(client):
    index = client.index(COLLECTION, SPACE)
    assert (index.kind, index.vectors, index.dimensions) == ("flat", COUNT, 16)
    assert (index.recall, index.damaged) == (1.0, ())
    assert index.current
    assert index.signed
    assert index.engine == "local"


def test_a_client_filters_by_rows_mask_and_copies(client):
    mask = np.zeros(ROWS[-1] + 1, np.bool_)
    mask[ROWS[:20]] = True
    only = Filter(rows=ROWS[10:30], without=ROWS[12:14], mask=mask, hide_copies=True)
    chosen = set(ROWS[[10, 11, *range(14, 20)]])
    vectors = blobs(6, 10)[:2].astype(np.float32)
    found = client.search(COLLECTION, SPACE, vectors, only=only, model=SPACE)
    assert set(found.rows[0]) - {-1} == chosen
    found = client.neighbours(COLLECTION, SPACE, ROWS[10:11], only=only)
    assert set(found.rows[0]) - {-1} == chosen - {ROWS[10]}


def test_a_client_finds_all_that_is_near_enough(client):
    first, second = client.near_enough(COLLECTION, SPACE, ROWS[[0, 15]], 0.7)
    assert set(ROWS[1:10]) <= set(first.rows)
    assert set(ROWS[10:20]) - {ROWS[15]} <= set(second.rows)
    assert (first.similarities >= 0.7).all()


def test_a_client_removes_and_restores(client):
    assert client.remove(COLLECTION, SPACE, ROWS[:3]) == 3
    assert client.index(COLLECTION, SPACE).removed == 3
    assert not set(ROWS[:3]) & set(client.neighbours(COLLECTION, SPACE, ROWS[3:4]).rows[0])
    assert client.restore(COLLECTION, SPACE, ROWS[:2]) == 1
