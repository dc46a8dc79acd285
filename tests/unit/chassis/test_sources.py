import io
import os
import pickle
import tarfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hundredfold.chassis.beneath import open_beneath
from hundredfold.chassis.errors import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServiceError,
)
from hundredfold.chassis.sources import Sources

SECRET = b"secret"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that may be read; beside it lies a secret that may not."""
    root = tmp_path / "in"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.jpg").write_bytes(b"abc")
    (tmp_path / "secret.jpg").write_bytes(SECRET)
    (tmp_path / "in-not").mkdir()
    (tmp_path / "in-not" / "b.jpg").write_bytes(SECRET)
    return root


@pytest.fixture
def sources(root: Path) -> Sources:
    return Sources((str(root),))


@pytest.fixture
def bucket(root: Path) -> Iterator[str]:
    bucket = f"memory://{uuid.uuid4().hex}"
    system = fsspec.filesystem("memory")
    system.pipe_file(f"{bucket}/in/a.jpg", b"remote")
    system.pipe_file(f"{bucket}/secret.jpg", SECRET)
    yield bucket
    system.rm(bucket, recursive=True)


def cells(root: Path, name: str = "t.parquet", rows: int = 100, group: int = 10) -> Path:
    structs = [{"bytes": b"struct %d" % row, "path": str(row)} for row in range(rows)]
    plain = [b"plain %d" % row for row in range(rows - 1)] + [None]
    table = pa.table({"image": structs, "raw": plain, "text": [str(row) for row in range(rows)]})
    pq.write_table(table, root / name, row_group_size=group)
    return root / name


# --- whole files --------------------------------------------------------------------------------


def test_a_file_within_a_root_is_read(sources: Sources, root: Path) -> None:
    assert sources.read(f"{root}/sub/a.jpg") == b"abc"
    assert sources.read(f"file://{root}/sub/a.jpg") == b"abc"
    assert sources.read(f"{root}/sub/../sub/./a.jpg") == b"abc"
    with sources.open(f"{root}/sub/a.jpg") as file:
        assert file.read() == b"abc"


def test_without_roots_nothing_is_allowed(root: Path) -> None:
    for uri in (f"{root}/sub/a.jpg", "/", "s3://bucket/a.jpg", "memory://x"):
        with pytest.raises(PermissionDenied):
            Sources(()).read(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "/",
        "{root}/../secret.jpg",
        "{root}/sub/../../secret.jpg",
        "{root}-not/b.jpg",
        "file://{root}/../secret.jpg",
        "{root}/../nothing-there",
        "/etc/passwd.parquet#a:0",
        "{root}/../x.tar#0:10",
    ],
)
def test_outside_of_the_roots_is_denied_whether_it_exists_or_not(
    sources: Sources, root: Path, uri: str
) -> None:
    uri = uri.format(root=root)
    for act in (sources.read, sources.check):
        with pytest.raises(PermissionDenied) as caught:
            act(uri)
        assert caught.value.reason == "OUTSIDE_ROOTS"


def test_a_link_that_leads_out_is_denied(sources: Sources, root: Path) -> None:
    (root / "file").symlink_to(root.parent / "secret.jpg")
    (root / "folder").symlink_to(root.parent)
    (root / "chain").symlink_to(root / "file")
    (root / "environ").symlink_to("/proc/self/environ")
    for name in ("file", "folder/secret.jpg", "chain", "environ"):
        with pytest.raises(PermissionDenied):
            sources.read(f"{root}/{name}")


def test_a_link_that_stays_within_is_followed(sources: Sources, root: Path) -> None:
    (root / "link").symlink_to(root / "sub")
    assert sources.read(f"{root}/link/a.jpg") == b"abc"
    assert sources.check(f"{root}/link/a.jpg") == f"{root}/sub/a.jpg"


def test_a_root_may_itself_be_a_link(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    assert Sources((str(root.parent / "link"),)).read(f"{root.parent}/link/sub/a.jpg") == b"abc"


def test_a_loop_of_links_is_not_found(sources: Sources, root: Path) -> None:
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")
    with pytest.raises(ServiceError) as caught:
        sources.read(f"{root}/a")
    assert isinstance(caught.value, NotFound | PermissionDenied)


def test_a_folder_swapped_for_a_link_after_the_check_is_not_followed(root: Path) -> None:
    # What `open_beneath` is given was resolved; by now the folder leads elsewhere.
    (root / "swapped").symlink_to(root.parent / "in-not")
    (root / "file").symlink_to(root.parent / "secret.jpg")
    for segments in (("swapped", "b.jpg"), ("file",)):
        with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
            open_beneath(root, segments)


def test_swapping_a_folder_and_a_link_back_and_forth_never_leaks(
    sources: Sources, root: Path
) -> None:
    (root / "other").symlink_to(root.parent / "in-not")
    (root / "sub" / "b.jpg").write_bytes(b"allowed")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "sub").rename(root / "kept")
            (root / "other").rename(root / "sub")
            (root / "sub").rename(root / "other")
            (root / "kept").rename(root / "sub")

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for _ in range(1_000):
            try:
                seen.add(sources.read(f"{root}/sub/b.jpg"))
            except ServiceError as error:
                seen.add(type(error).__name__.encode())
    finally:
        stop.set()
        swapper.join()
    assert SECRET not in seen


def test_only_regular_files_are_read_and_a_pipe_does_not_hang(sources: Sources, root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    for uri in (f"{root}/pipe.jpg", f"{root}/sub", str(root)):
        with pytest.raises(InvalidArgument) as caught:
            sources.read(uri)
        assert caught.value.reason == "NOT_A_FILE"


def test_a_device_below_a_root_is_not_read() -> None:
    with pytest.raises(InvalidArgument):
        Sources(("/dev",)).read("/dev/zero")


def test_more_than_the_limit_is_refused(sources: Sources, root: Path) -> None:
    (root / "big.jpg").write_bytes(b"x" * 101)
    assert len(sources.read(f"{root}/big.jpg", limit=101)) == 101
    with pytest.raises(ResourceExhausted) as caught:
        sources.read(f"{root}/big.jpg", limit=100)
    assert caught.value.reason == "TOO_LARGE"


def test_what_is_absent_within_a_root_is_not_found(sources: Sources, root: Path) -> None:
    for name in ("nothing.jpg", "sub/a.jpg/below", "x" * 300):
        with pytest.raises(NotFound):
            sources.read(f"{root}/{name}")


@pytest.mark.parametrize(
    "uri", ["", "relative.jpg", "sub/a.jpg", "/a\0b", "/\ud800", "/" + "x" * 5_000]
)
def test_what_is_no_uri_is_an_invalid_argument(sources: Sources, uri: str) -> None:
    with pytest.raises(InvalidArgument):
        sources.read(uri)


@pytest.mark.parametrize(
    "name",
    ["-rf", " ", "a\nb\r", "a#b:1", "\u202egpj.exe", "caf\udce9.jpg", "%2e%2e", "a?b*[c]", "::x"],
)
def test_odd_names_are_read_as_they_are(sources: Sources, root: Path, name: str) -> None:
    (root / name).write_bytes(b"odd")
    assert sources.read(f"{root}/{name}") == b"odd"


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["..", ".", "sub", "in", "in-not", "secret.jpg", "b.jpg", "%2e%2e"]))
)
@example(["..", "secret.jpg"])
def test_no_path_leads_to_the_secret(sources: Sources, root: Path, segments: list[str]) -> None:
    with suppress(ServiceError):
        assert sources.read("/".join([str(root), *segments])) != SECRET


def test_it_can_be_sent_to_another_process(sources: Sources, root: Path) -> None:
    again = pickle.loads(pickle.dumps(sources))  # noqa: S301  own bytes
    assert again.read(f"{root}/sub/a.jpg") == b"abc"


# --- remote -------------------------------------------------------------------------------------


def test_a_remote_file_below_an_allowed_prefix_is_read(bucket: str) -> None:
    sources = Sources((f"{bucket}/in",))
    assert sources.read(f"{bucket}/in/a.jpg") == b"remote"
    assert sources.check(f"{bucket}/in/a.jpg") == f"{bucket}/in/a.jpg"
    with pytest.raises(NotFound):
        sources.read(f"{bucket}/in/nothing.jpg")
    with pytest.raises(ResourceExhausted):
        sources.read(f"{bucket}/in/a.jpg", limit=5)


@pytest.mark.parametrize(
    "uri",
    [
        "{bucket}/secret.jpg",
        "{bucket}/in/../secret.jpg",
        "{bucket}/in/%2e%2e/secret.jpg",
        "{bucket}/in-not/a.jpg",
        "{bucket}",
        "memory://other/in/a.jpg",
        "MEMORY://in/a.jpg",
        "{bucket}/in/a.zip::file:///etc/passwd",
        "simplecache::{bucket}/in/a.jpg",
        "http://169.254.169.254/latest/meta-data",
        "s3://bucket/in/a.jpg",
    ],
)
def test_any_other_remote_uri_is_denied(bucket: str, uri: str) -> None:
    sources = Sources((f"{bucket}/in",))
    with pytest.raises(PermissionDenied):
        sources.read(uri.format(bucket=bucket))


def test_a_kind_of_uri_that_is_not_installed_is_an_invalid_argument() -> None:
    with pytest.raises(InvalidArgument):
        Sources(("nosuch://bucket",)).read("nosuch://bucket/a.jpg")


# --- members of containers ----------------------------------------------------------------------


def test_a_cell_of_a_binary_or_of_a_struct_column_is_read(sources: Sources, root: Path) -> None:
    file = cells(root)
    assert sources.read(f"{file}#image:0") == b"struct 0"
    assert sources.read(f"{file}#image:57") == b"struct 57"
    assert sources.read(f"{file}#raw:98") == b"plain 98"
    assert sources.check(f"{root}/sub/../t.parquet#raw:98") == f"{file}#raw:98"


def test_a_cell_that_is_null_or_beyond_the_end_is_not_found(sources: Sources, root: Path) -> None:
    file = cells(root)
    for row in (99, 100, 10**17):
        with pytest.raises(NotFound):
            sources.read(f"{file}#raw:{row}")


def test_a_cell_above_the_limit_is_refused(sources: Sources, root: Path) -> None:
    with pytest.raises(ResourceExhausted):
        sources.read(f"{cells(root)}#raw:1", limit=3)


def test_a_container_that_is_none_is_told(sources: Sources, root: Path) -> None:
    file = cells(root)
    (root / "no.parquet").write_bytes(b"PAR1 not at all PAR1")
    whole = file.read_bytes()
    (root / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray(whole)
    damaged[4:400] = b"\xff" * 396
    (root / "damaged.parquet").write_bytes(bytes(damaged))
    for uri in ("no.parquet#raw:0", "cut.parquet#raw:0", "damaged.parquet#image:0"):
        with pytest.raises(InvalidArgument) as caught:
            sources.read(f"{root}/{uri}")
        assert caught.value.reason == "BAD_CONTAINER"
    for column in ("nothing", "text", "image.bytes"):
        with pytest.raises(InvalidArgument):
            sources.read(f"{file}#{column}:0")


def test_a_container_that_was_replaced_is_read_anew(sources: Sources, root: Path) -> None:
    file = cells(root)
    assert sources.read(f"{file}#raw:1") == b"plain 1"
    cells(root, "new.parquet", rows=5).replace(file)
    assert sources.read(f"{file}#raw:1") == b"plain 1"
    with pytest.raises(NotFound):
        sources.read(f"{file}#raw:57")


def test_more_containers_than_are_kept_open_are_read(sources: Sources, root: Path) -> None:
    files = [cells(root, f"{i}.parquet") for i in range(5)]
    for file in files * 2:
        assert sources.read(f"{file}#raw:1") == b"plain 1"


def test_threads_may_read_one_container(sources: Sources, root: Path) -> None:
    file = cells(root)
    seen: list[bool] = []

    def read(begin: int) -> None:
        seen.extend(
            sources.read(f"{file}#raw:{row}") == b"plain %d" % row for row in range(begin, 99, 4)
        )

    threads = [threading.Thread(target=read, args=(begin,)) for begin in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 99


def test_a_member_of_a_tar_is_read_by_its_place(sources: Sources, root: Path) -> None:
    with tarfile.open(root / "x.tar", "w") as archive:
        member = tarfile.TarInfo("a.jpg")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"hello"))
    with tarfile.open(root / "x.tar") as archive:
        offset = archive.getmember("a.jpg").offset_data
    assert sources.read(f"{root}/x.tar#{offset}:5") == b"hello"
    with pytest.raises(NotFound):
        sources.read(f"{root}/x.tar#{10**12}:5")
    with pytest.raises(ResourceExhausted):
        sources.read(f"{root}/x.tar#0:{10**15}")


def test_containers_may_be_remote(root: Path, bucket: str) -> None:
    system = fsspec.filesystem("memory")
    system.pipe_file(f"{bucket}/in/t.parquet", cells(root).read_bytes())
    system.pipe_file(f"{bucket}/in/x.tar", b"0123456789")
    sources = Sources((f"{bucket}/in",))
    assert sources.read(f"{bucket}/in/t.parquet#image:42") == b"struct 42"
    assert sources.read(f"{bucket}/in/x.tar#2:3") == b"234"


# --- many ---------------------------------------------------------------------------------------


def test_many_come_in_the_order_asked_with_an_error_in_place(root: Path, bucket: str) -> None:
    file = cells(root)
    system = fsspec.filesystem("memory")
    system.pipe_file(f"{bucket}/x.tar", b"0123456789")
    uris = [
        f"{file}#raw:90",
        f"{root}/sub/a.jpg",
        f"{bucket}/in/a.jpg",
        "/etc/passwd",
        f"{file}#raw:2",
        "",
        f"{bucket}/nothing.jpg",
        f"{bucket}/x.tar#2:3",
        "memory://other/a.jpg",
        f"{file}#image:90",
        f"{root}/sub/a.jpg",
    ]
    found = list(Sources((str(root), bucket)).read_many(uris * 7))
    assert len(found) == 7 * len(uris)
    for begin in range(0, len(found), len(uris)):
        some = found[begin : begin + len(uris)]
        assert [x if isinstance(x, bytes) else type(x) for x in some] == [
            b"plain 90",
            b"abc",
            b"remote",
            PermissionDenied,
            b"plain 2",
            InvalidArgument,
            NotFound,
            b"234",
            PermissionDenied,
            b"struct 90",
            b"abc",
        ]


def test_many_keep_the_limit(root: Path, bucket: str) -> None:
    uris = [f"{root}/sub/a.jpg", f"{bucket}/in/a.jpg", f"{cells(root)}#raw:1"]
    found = list(Sources((str(root), bucket)).read_many(uris, limit=2))
    assert [type(error) for error in found] == [ResourceExhausted] * 3


def test_none_are_none(sources: Sources) -> None:
    assert list(sources.read_many([])) == []
