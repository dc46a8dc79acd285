"""One contract for every place an artifact store can be in."""

import errno
import hashlib
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound, ResourceExhausted
from hundredfold.chassis.storage.store import ArtifactStore


class StoreContract:
    """What every store promises; a new kind of store inherits it."""

    store: ArtifactStore

    def test_what_was_written_is_read(self) -> None:
        artifact = self.store.write_bytes("a/b/c.bin", b"hello")
        assert self.store.read_bytes("a/b/c.bin") == b"hello"
        assert (artifact.bytes, self.store.size("a/b/c.bin")) == (5, 5)
        assert artifact.sha256 == hashlib.sha256(b"hello").hexdigest()
        assert self.store.sha256("a/b/c.bin") == artifact.sha256

    def test_a_second_write_replaces_the_first(self) -> None:
        self.store.write_bytes("a.bin", b"a longer first version")
        self.store.write_bytes("a.bin", b"second")
        assert self.store.read_bytes("a.bin") == b"second"
        assert self.store.local("a.bin").read_bytes() == b"second"

    def test_local_sees_a_replacement(self) -> None:
        for version in (b"one", b"two", b"six"):
            self.store.write_bytes("a.bin", version)
            assert self.store.local("a.bin").read_bytes() == version

    def test_json_comes_back_equal(self) -> None:
        value = {"b": [1, 2.5, None, True], "a": {"ü": "→"}}
        self.store.write_json("a.json", value)
        assert self.store.read_json("a.json") == value

    def test_a_broken_json_is_named_as_damaged(self) -> None:
        for data in (b"", b'{"a": 1', b"\xff\xfe", b"[" * 100_000):
            self.store.write_bytes("a.json", data)
            with pytest.raises(Conflict, match=r"a\.json") as caught:
                self.store.read_json("a.json")
            assert caught.value.reason == "ARTIFACT_DAMAGED"

    @pytest.mark.parametrize("mmap", [False, True])
    def test_arrays_keep_dtype_and_shape(self, *, mmap: bool) -> None:
        for array in (
            np.arange(12, dtype=np.uint64).reshape(3, 4),
            np.empty((0, 7), np.float16),
            np.float32(2.5),
            np.asfortranarray(np.ones((2, 3))),
            np.arange(20)[::3],
        ):
            self.store.write_array("x.npy", np.asarray(array))
            read = self.store.read_array("x.npy", mmap=mmap)
            assert (read.dtype, read.shape) == (np.asarray(array).dtype, np.shape(array))
            np.testing.assert_array_equal(read, array)

    def test_a_mapped_array_cannot_be_changed(self) -> None:
        self.store.write_array("x.npy", np.arange(3))
        with pytest.raises(ValueError, match="read-only"):
            self.store.read_array("x.npy", mmap=True)[0] = 7

    def test_an_array_of_objects_is_neither_written_nor_read(self) -> None:
        with pytest.raises(ValueError, match="Object"):
            self.store.write_array("x.npy", np.array([{}], dtype=object))
        assert not self.store.exists("x.npy")
        buffer = io.BytesIO()
        np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
        self.store.write_bytes("x.npy", buffer.getvalue())
        with pytest.raises(Conflict):
            self.store.read_array("x.npy")

    @pytest.mark.parametrize("mmap", [False, True])
    def test_a_truncated_array_is_never_read(self, *, mmap: bool) -> None:
        self.store.write_array("x.npy", np.arange(100))
        whole = self.store.read_bytes("x.npy")
        for size in (0, 1, 6, 9, 60, 127, 128, 500, len(whole) - 1):
            self.store.write_bytes("x.npy", whole[:size])
            with pytest.raises(Conflict):
                self.store.read_array("x.npy", mmap=mmap)

    def test_a_zip_is_no_array(self) -> None:
        with self.store.writer("x.npz") as out:
            np.savez(out, a=np.arange(3))
        with pytest.raises(Conflict):
            self.store.read_array("x.npz")

    def test_a_writer_takes_streams_of_other_libraries(self) -> None:
        with self.store.writer("x.npz") as out:
            np.savez(out, a=np.arange(3))
        with np.load(self.store.local("x.npz"), allow_pickle=False) as archive:
            assert archive["a"].tolist() == [0, 1, 2]
        assert out.artifact.sha256 == self.store.sha256("x.npz")

    def test_what_is_absent_is_not_found(self) -> None:
        self.store.write_bytes("folder/file", b"")
        for path in ("nothing", "folder", "folder/file/below", "folder/other"):
            for read in (self.store.read_bytes, self.store.local, self.store.size):
                with pytest.raises(NotFound):
                    read(path)
        with pytest.raises(NotFound):
            self.store.read_array("nothing.npy")

    def test_exists_knows_files_and_folders(self) -> None:
        self.store.write_bytes("folder/file", b"")
        assert self.store.exists("folder/file")
        assert self.store.exists("folder")
        assert not self.store.exists("folder/other")
        assert not self.store.exists("fold")

    def test_list_gives_sorted_names(self) -> None:
        for path in ("f/b", "f/a", "f/sub/x", "g"):
            self.store.write_bytes(path, b"1")
        assert self.store.list("f") == ["a", "b", "sub"]
        assert self.store.list("f/a") == []
        assert self.store.list("nothing") == []

    def test_delete_takes_files_folders_and_nothing(self) -> None:
        for path in ("f/b", "f/sub/x", "g"):
            self.store.write_bytes(path, b"1")
        for path in ("f", "g", "nothing", "nothing/below"):
            self.store.delete(path)
        assert not any(self.store.exists(path) for path in ("f/b", "f/sub/x", "f", "g"))

    @pytest.mark.parametrize("path", ["f/a", "f/new"])
    def test_an_exception_leaves_what_was_before(self, path: str) -> None:
        self.store.write_bytes("f/a", b"before")

        def fail() -> None:
            with self.store.writer(path) as out:
                out.write(b"half of ")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert self.store.read_bytes("f/a") == b"before"
        assert self.store.list("f") == ["a"]

    def test_nothing_is_seen_before_the_writer_ends(self) -> None:
        with self.store.writer("f/a") as out:
            out.write(b"x" * 100_000)
            assert not self.store.exists("f/a")
            assert self.store.list("f") == []
        assert self.store.size("f/a") == 100_000

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/etc/passwd",
            "..",
            "a/../b",
            "a/..",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "a\\b",
            "x" * 2000,
        ],
    )
    def test_a_path_that_could_leave_the_store_is_refused(self, path: str) -> None:
        for act in (
            self.store.read_bytes,
            self.store.local,
            self.store.exists,
            self.store.list,
            self.store.delete,
            lambda path: self.store.write_bytes(path, b""),
        ):
            with pytest.raises(InvalidArgument):
                act(path)

    def test_readers_never_see_a_half(self) -> None:
        versions = [bytes([i]) * 200_000 for i in range(8)]
        self.store.write_bytes("a", versions[0])
        stop, seen = threading.Event(), set()

        def read() -> None:
            while not stop.is_set():
                data = self.store.read_bytes("a")
                seen.add((len(data), len(set(data))))

        reader = threading.Thread(target=read)
        reader.start()
        for version in versions * 4:
            self.store.write_bytes("a", version)
        stop.set()
        reader.join()
        assert seen <= {(200_000, 1)}

    def test_it_can_be_sent_to_another_process(self) -> None:
        self.store.write_bytes("a", b"1")
        assert pickle.loads(pickle.dumps(self.store)).read_bytes("a") == b"1"  # noqa: S301  own bytes


class TestLocalStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _store(self, tmp_path: Path) -> None:
        self.root = tmp_path / "made" / "when written"
        self.store = ArtifactStore(str(self.root))

    def test_a_file_uri_is_the_same_place(self) -> None:
        self.store.write_bytes("a", b"1")
        assert ArtifactStore(f"file://{self.root}").read_bytes("a") == b"1"

    def test_local_is_the_file_itself(self) -> None:
        self.store.write_bytes("a/b", b"1")
        assert self.store.local("a/b") == self.root / "a" / "b"

    def test_a_device_is_no_artifact(self) -> None:
        self.root.mkdir(parents=True)
        os.mkfifo(self.root / "pipe")
        with pytest.raises(NotFound):
            self.store.local("pipe")

    def test_a_killed_writer_leaves_the_old_version_and_no_name(self) -> None:
        self.store.write_bytes("f/a", b"before")
        self._kill_a_writer()
        leftovers = [p for p in (self.root / "f").iterdir() if p.name != "a"]
        assert len(leftovers) == 1
        assert self.store.read_bytes("f/a") == b"before"
        assert self.store.list("f") == ["a"]

    def test_the_next_writer_cleans_leftovers_older_than_an_hour(self) -> None:
        self._kill_a_writer()
        (leftover,) = (self.root / "f").iterdir()
        self.store.write_bytes("f/b", b"1")
        assert leftover.exists()
        an_hour_ago = leftover.stat().st_mtime - 3_700
        os.utime(leftover, (an_hour_ago, an_hour_ago))
        self.store.write_bytes("f/b", b"2")
        assert [p.name for p in (self.root / "f").iterdir()] == ["b"]

    def test_a_full_disk_is_told_and_leaves_nothing(self) -> None:
        with pytest.raises(ResourceExhausted) as caught, self.store.writer("f/a"):
            raise OSError(errno.ENOSPC, "No space left on device")
        assert caught.value.reason == "STORE_FULL"
        assert list((self.root / "f").iterdir()) == []

    def _kill_a_writer(self) -> None:
        script = (
            "import sys\n"
            "from hundredfold.chassis.storage.store import ArtifactStore\n"
            "with ArtifactStore(sys.argv[1]).writer('f/a') as out:\n"
            "    out.write(b'half')\n"
            "    print('writing', flush=True)\n"
            "    sys.stdin.read()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(self.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"writing\n"
            writer.send_signal(signal.SIGKILL)

    @settings(max_examples=50)
    @given(
        arrays.arrays(st.sampled_from(["u1", "i4", "f2", "f8"]), arrays.array_shapes(min_side=0))
    )
    def test_any_numeric_array_survives(
        self, array: "np.ndarray[tuple[int, ...], np.dtype]"
    ) -> None:
        self.store.write_array("x.npy", array)
        np.testing.assert_array_equal(self.store.read_array("x.npy"), array)


class TestMemoryStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _store(self) -> Iterator[None]:
        root = f"memory://{uuid.uuid4().hex}"
        self.store = ArtifactStore(root)
        fsspec.filesystem("memory").makedirs(root)
        yield
        fsspec.filesystem("memory").rm(root, recursive=True)
