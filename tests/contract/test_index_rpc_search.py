import numpy as np
import pytest

from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.runs import State
from hundredfold.chassis.storage import layout
from hundredfold.chassis.tensors import unpack
from hundredfold.index.domain import factory
from tests.contract.index_contract import ROWS, SEARCHES, VECTORS, IndexContract, call
from tests.contract.index_spaces import COLLECTION, SPACE, blobs, make_collection, write_space
from tests.contract.test_index_rpc import COUNT, DIMENSIONS, GROUPS, index_service


class TestLocalIndexes(IndexContract):
    """Indexes in the store, made by faiss."""

    @pytest.fixture(params=[1000, 0], ids=["flat", "ivf"])
    def indexed(self, request, tmp_path):
        with index_service(tmp_path, exact_below=request.param) as served:
            make_collection(served.store)
            write_space(served.store, VECTORS, ROWS)
            served.finish("BuildIndex")
            yield served

    @pytest.mark.parametrize("name", [*SEARCHES, "GetIndex"])
    def test_a_cut_index_is_named_and_other_spaces_are_served(self, indexed, name):
        write_space(indexed.store, VECTORS, ROWS, space="other@7")
        indexed.finish("BuildIndex", space="other@7")
        path = f"{layout.index(COLLECTION, SPACE)}/{layout.INDEX_FILE}"
        indexed.store.write_bytes(path, indexed.store.read_bytes(path)[:-7])
        with pytest.raises(Conflict) as error:
            call(indexed, name)
        assert error.value.reason == "ARTIFACT_DAMAGED"
        assert path in str(error.value)
        call(indexed, name, space="other@7")

    def test_get_index_tells_what_a_build_measured(self, indexed):
        told = call(indexed, "GetIndex")
        flat = told.kind == "flat"
        assert (told.vectors, told.dimensions) == (COUNT, DIMENSIONS)
        assert told.codes == ("flat" if flat else "sq8")
        assert told.factory == factory.choose(COUNT, DIMENSIONS, exact_below=1000 * flat).factory
        assert told.recall == 1 if flat else 0.9 <= told.recall <= 1
        assert told.held_out == (0 if flat else COUNT // 2)
        assert (told.lists > 0) == (told.probes > 0) == (not flat)
        assert told.memory_bytes > 0
        assert told.file_bytes > 0
        assert told.current
        assert not told.signed
        write_space(indexed.store, VECTORS[1:], ROWS[1:])
        assert not call(indexed, "GetIndex").current

    def test_a_part_that_is_damaged_after_the_build_is_told_by_each_search(self, indexed):
        path = f"{layout.vectors(COLLECTION, SPACE)}/{layout.vectors_part(1)}"
        whole = indexed.store.read_bytes(path)
        indexed.store.write_bytes(path, whole[:-32])
        answer = call(indexed, "Search", limit=COUNT)
        if call(indexed, "GetIndex").kind == "flat":
            assert not answer.damaged  # it holds the vectors itself
            return
        assert list(answer.damaged) == [path]
        rows = unpack(answer.rows, dtype=np.int64, ndim=2, field="rows")
        assert set(rows[0]) - {-1} == set(ROWS[: COUNT // 2])
        indexed.store.write_bytes(path, whole)
        assert not call(indexed, "Search").damaged

    def test_new_vectors_are_added_to_the_index_that_is_there(self, indexed):
        before = call(indexed, "GetIndex")
        new = blobs(GROUPS, 5, DIMENSIONS, seed=1)
        rows = np.concatenate([ROWS, 2 * layout.PART_ROWS + np.arange(len(new))])
        write_space(indexed.store, np.concatenate([VECTORS, new]), rows)
        indexed.finish("BuildIndex")
        after = call(indexed, "GetIndex")
        assert after.factory == before.factory  # of more vectors one of more lists would be made
        assert after.vectors == len(rows)
        assert after.current
        found, _ = indexed.search(new, limit=1)
        assert (found[:, 0] == rows[COUNT:]).mean() > 0.9

    def test_the_memory_of_a_request_decides_the_kind(self, tmp_path):
        rows = np.arange(factory.CODES_FROM)
        with index_service(tmp_path) as served:
            make_collection(served.store)
            write_space(served.store, blobs(100, len(rows) // 100, 64), rows)
            served.finish("BuildIndex")
            assert call(served, "GetIndex").kind == "flat"
            served.finish("BuildIndex", memory_bytes=48 * len(rows))
            told = call(served, "GetIndex")
            assert told.codes == "rabitq"
            assert told.memory_bytes <= 48 * len(rows)
            assert told.recall >= 0.9
            run = served.runs.wait(served.start("BuildIndex", memory_bytes=1000).run_id, 60)
            assert run.state is State.FAILED
            assert "may take 1000" in str(run.error)
            assert call(served, "GetIndex").codes == "rabitq"  # the one that is there stays
