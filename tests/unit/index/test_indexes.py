import os

import numpy as np
import pytest

from hundredfold.chassis.errors import Conflict, InvalidArgument
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.index.domain import device, nearest
from hundredfold.index.domain.parts import normalised
from hundredfold.index.indexes import Indexes
from hundredfold.index.removed import Removed
from hundredfold.index.signing import Signer, signer_of
from hundredfold.index.spaces import Spaces
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    make_collection,
    scattered_rows,
    write_part,
    write_space,
)

COUNT = 60
FOLDER = layout.index(COLLECTION, SPACE)
VECTORS = layout.vectors(COLLECTION, SPACE)
KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.fixture
def store(tmp_path):
    device.limit_thread(1)
    store = ArtifactStore(str(tmp_path))
    make_collection(store)
    write_space(store, blobs(6, 10), scattered_rows(COUNT))
    return store


def save(store, signer=None, exact_below=1000, space=SPACE):
    indexes = Indexes(store, signer)
    source = Spaces(store).whole(COLLECTION, space)
    indexes.save(COLLECTION, space, nearest.build(source.vectors, exact_below=exact_below), source)
    return indexes


def flip(store, path, at=-20):
    data = bytearray(store.read_bytes(path))
    data[at] ^= 1
    store.write_bytes(path, bytes(data))


# --- signatures -------------------------------------------------------------------------------------


def test_a_signed_index_is_opened_with_its_key(store):
    indexes = save(store, Signer(KEY))
    assert len(indexes.open(COLLECTION, SPACE).rows) == COUNT
    assert indexes.told(COLLECTION, SPACE).signed
    assert not save(store).told(COLLECTION, SPACE).signed


@pytest.mark.parametrize("by", [None, Signer(OTHER)], ids=["nobody", "another key"])
def test_an_index_that_is_not_signed_with_the_key_is_refused_and_named(store, by):
    save(store, by)
    mine = Indexes(store, Signer(KEY))
    for call in (mine.open, mine.version, mine.told):
        with pytest.raises(Conflict) as error:
            call(COLLECTION, SPACE)
        assert error.value.reason == "INDEX_NOT_SIGNED"
        assert FOLDER in str(error.value)
    version = Spaces(store).version(COLLECTION, SPACE)
    assert mine.facts(COLLECTION, SPACE, version) is None


def test_a_file_that_was_replaced_together_with_its_sha256_never_reaches_faiss(store):
    indexes = save(store, Signer(KEY))
    manifest = Manifest.load(store, FOLDER)
    hostile = store.write_bytes(f"{FOLDER}/{layout.INDEX_FILE}", b"IxFI" + b"\xff" * 99)
    manifest.add(layout.INDEX_FILE, hostile)
    manifest.save()
    with pytest.raises(Conflict) as error:
        indexes.open(COLLECTION, SPACE)
    assert error.value.reason == "INDEX_NOT_SIGNED"


def test_a_signed_index_of_another_collection_is_refused(store):
    indexes = save(store, Signer(KEY))
    make_collection(store, "copy")
    write_space(store, blobs(6, 10), scattered_rows(COUNT), collection="copy")
    for name in store.list(FOLDER):
        store.write_bytes(
            f"{layout.index('copy', SPACE)}/{name}", store.read_bytes(f"{FOLDER}/{name}")
        )
    with pytest.raises(Conflict) as error:
        indexes.open("copy", SPACE)
    assert error.value.reason == "INDEX_NOT_SIGNED"


def test_a_key_is_read_from_its_file(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(os.urandom(32))
    signer = signer_of(str(path))
    assert signer.holds({"a": 1}, signer.sign({"a": 1}))
    assert not signer.holds({"a": 2}, signer.sign({"a": 1}))
    assert not signer.holds({"a": 1}, None)
    assert signer_of("") is None


@pytest.mark.parametrize("content", [None, b"", b"k" * 31, b"k" * 4097])
def test_what_is_no_key_is_refused(tmp_path, content):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidArgument) as error:
        signer_of(str(path))
    assert error.value.field == "signing_key"


# --- damage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [layout.vectors_part(1), layout.vectors_rows(1)])
@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_a_damaged_part_of_the_vectors_is_named_and_the_rest_served(store, name, how):
    indexes = save(store, exact_below=0)
    path = f"{VECTORS}/{name}"
    if how == "flipped":
        flip(store, path)
    else:
        store.write_bytes(path, store.read_bytes(path)[:-10])
    opened = indexes.open(COLLECTION, SPACE)
    assert opened.damaged == (path,)
    queries = normalised(blobs(6, 10))
    positions, _ = opened.finder.find(queries, COUNT, opened.here)
    assert (positions < COUNT // 2).all()
    assert (positions[:, : COUNT // 2] >= 0).all()
    assert (positions[: COUNT // 2, 0] == np.arange(COUNT // 2)).all()


def test_an_index_is_built_without_a_damaged_part_and_not_current(store):
    path = f"{VECTORS}/{layout.vectors_part(0)}"
    whole = store.read_bytes(path)
    flip(store, path)
    indexes = save(store)
    told = indexes.told(COLLECTION, SPACE)
    assert told.facts["damaged"] == [path]
    assert told.facts["count"] == COUNT // 2
    assert not told.current
    store.write_bytes(path, whole)
    mended = Spaces(store).whole(COLLECTION, SPACE)
    assert indexes.facts(COLLECTION, SPACE, mended.version) is None
    assert save(store).told(COLLECTION, SPACE).current


def test_a_space_of_which_all_is_damaged_is_named(store):
    for part in (0, 1):
        flip(store, f"{VECTORS}/{layout.vectors_part(part)}")
    with pytest.raises(Conflict) as error:
        Spaces(store).whole(COLLECTION, SPACE)
    assert error.value.reason == "ARTIFACT_DAMAGED"
    assert layout.vectors_part(0) in str(error.value)


def test_a_part_of_another_dimension_is_refused_with_both_named(store):
    manifest = Manifest.load(store, VECTORS)
    write_part(store, manifest, 2, np.ones((1, 24), np.float16), np.array([2 * layout.PART_ROWS]))
    manifest.save()
    with pytest.raises(Conflict) as error:
        Spaces(store).read(COLLECTION, SPACE)
    assert "24" in str(error.value)
    assert "16" in str(error.value)
    assert Spaces(store).whole(COLLECTION, SPACE).damaged == (
        f"{VECTORS}/{layout.vectors_part(2)}",
    )


# --- other vectors than it was made of ----------------------------------------------------------------


def test_an_index_of_another_space_is_refused_with_both_named(store):
    save(store)
    write_space(store, blobs(6, 10), scattered_rows(COUNT), space="toy@2")
    for name in store.list(FOLDER):
        store.write_bytes(
            f"{layout.index(COLLECTION, 'toy@2')}/{name}", store.read_bytes(f"{FOLDER}/{name}")
        )
    with pytest.raises(Conflict) as error:
        Indexes(store).open(COLLECTION, "toy@2")
    assert error.value.reason == "INDEX_OUTDATED"
    assert "toy@1" in str(error.value)
    assert "toy@2" in str(error.value)


def test_an_index_of_another_dimension_is_refused_with_both_named(store):
    indexes = save(store, exact_below=0)
    write_space(store, blobs(6, 10, 24), scattered_rows(COUNT))
    with pytest.raises(Conflict) as error:
        indexes.open(COLLECTION, SPACE)
    assert error.value.reason == "INDEX_OUTDATED"
    assert "24" in str(error.value)
    assert "16" in str(error.value)


def test_an_index_goes_on_where_rows_came_and_went(store):
    indexes = save(store, exact_below=0)
    rows = scattered_rows(COUNT)
    write_space(store, blobs(6, 10)[5:], rows[5:])
    opened = indexes.open(COLLECTION, SPACE)
    assert not indexes.told(COLLECTION, SPACE).current
    positions, cosines = opened.finder.find(normalised(blobs(6, 10)), 1, opened.here)
    assert positions[5:, 0].tolist() == list(range(5, COUNT))
    assert (positions[:5, 0] >= 5).all()
    assert np.allclose(cosines[5:], 1, atol=1e-3)


def test_an_older_index_knows_how_many_of_its_vectors_stayed(store):
    indexes = save(store)
    rows, vectors = scattered_rows(COUNT), blobs(6, 10)
    source = Spaces(store).whole(COLLECTION, SPACE)
    assert indexes.older(COLLECTION, SPACE, source).kept == COUNT
    more = np.concatenate([rows, [rows[-1] + 1]])
    write_space(store, np.concatenate([vectors, vectors[:1]]), more)
    source = Spaces(store).whole(COLLECTION, SPACE)
    older = indexes.older(COLLECTION, SPACE, source)
    assert older.kept == COUNT // 2  # the second part was replaced by a longer one
    assert older.load().ntotal == COUNT
    flip(store, f"{FOLDER}/{layout.INDEX_FILE}")
    assert indexes.older(COLLECTION, SPACE, source) is None


# --- removed rows -------------------------------------------------------------------------------------


def test_rows_are_removed_and_restored(store):
    removed = Removed(store)
    assert removed.version(COLLECTION, SPACE) == ""
    assert removed.remove(COLLECTION, SPACE, np.array([7, 1, 7])) == 2
    before = removed.version(COLLECTION, SPACE)
    assert removed.remove(COLLECTION, SPACE, np.array([4])) == 3
    assert removed.version(COLLECTION, SPACE) != before
    assert removed.restore(COLLECTION, SPACE, np.array([1, 2])) == 2
    assert removed.rows(COLLECTION, SPACE).tolist() == [4, 7]
    assert Removed(store).restore(COLLECTION, SPACE, np.array([4, 7])) == 0


def test_damage_to_what_was_removed_is_named(store):
    removed = Removed(store)
    removed.remove(COLLECTION, SPACE, np.arange(9))
    path = f"{layout.index_removed(COLLECTION, SPACE)}/{layout.REMOVED_ROWS}"
    flip(store, path, at=-1)
    with pytest.raises(Conflict) as error:
        removed.rows(COLLECTION, SPACE)
    assert path in str(error.value)
