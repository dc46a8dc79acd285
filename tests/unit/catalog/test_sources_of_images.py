import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.catalog.domain.folders import (
    Entry,
    Walk,
    depth_of,
    is_image_name,
    matcher,
    split_pattern,
)
from hundredfold.catalog.domain.found import Found, Offer, Seen, checked
from hundredfold.catalog.domain.tables import Columns, TextTable, choose, located, tags_of, text_of
from hundredfold.catalog.domain.webdataset import Tar, expand
from hundredfold.chassis.errors import InvalidArgument

# --- folders ------------------------------------------------------------------------------------

TREE = {
    "": [Entry("z.jpg", False), Entry("b", True), Entry("a.PNG", False), Entry(".git", True), Entry("n.txt", False), Entry("a", True)],
    "a/": [Entry(".hidden.jpg", False), Entry("2.jpg", False), Entry("1.jpg", False), Entry("deep", True)],
    "a/deep/": [Entry("x.webp", False)],
    "b/": [Entry("y.gif", False)],
}  # fmt: skip


def listed(folder: str) -> Iterable[Entry]:
    return TREE[folder]


def test_a_walk_is_sorted_folder_by_folder() -> None:
    walk = Walk(listed, is_image_name)
    assert list(walk) == ["a.PNG", "z.jpg", "a/1.jpg", "a/2.jpg", "a/deep/x.webp", "b/y.gif"]


def test_a_walk_counts_what_it_passes_over() -> None:
    walk = Walk(listed, is_image_name)
    list(walk)
    assert walk.passed_over == 2


def test_a_walk_goes_no_deeper_than_asked() -> None:
    assert list(Walk(listed, is_image_name, depth=0)) == ["a.PNG", "z.jpg"]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.jpg", "a.jpg", True),
        ("*.jpg", "b/a.jpg", False),
        ("**/*.jpg", "a.jpg", True),
        ("**/*.jpg", "b/c/a.jpg", True),
        ("b/**", "b/c/a.jpg", True),
        ("?.jpg", "ab.jpg", False),
        ("[a-c].jpg", "b.jpg", True),
        ("[!a-c].jpg", "b.jpg", False),
        ("[!a-c].jpg", "d.jpg", True),
        ("a+b(1).jpg", "a+b(1).jpg", True),
        ("[.jpg", "[.jpg", True),
        ("x\ny*", "x\nyz", True),
    ],
)
def test_globs_match_as_shells_do(pattern: str, path: str, expected: bool) -> None:
    assert matcher(pattern)(path) is expected


@given(st.text(st.characters(exclude_characters="*?[")))
def test_a_glob_without_wildcards_matches_itself_only(name: str) -> None:
    assert matcher(name)(name)
    assert not matcher(name)(name + "x")


def test_a_glob_is_split_before_its_first_wildcard() -> None:
    assert split_pattern("/data/2024*/a/*.jpg") == ("/data", "2024*/a/*.jpg")
    assert split_pattern("/*.jpg") == ("/", "*.jpg")
    assert split_pattern("/data/a.jpg") == ("/data/a.jpg", "")
    assert (depth_of("*/*.jpg"), depth_of("a/**/*.jpg")) == (1, None)


# --- what is new --------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)), st.integers(1, 5))
def test_an_image_is_new_exactly_once(there: list[str], offered: list[str], merge_at: int) -> None:
    seen = Seen([there], merge_at=merge_at)
    offer = Offer([Found(uri, uri) for uri in offered], seen)
    taken = [found.uri for found in offer]
    new = dict.fromkeys(checked(Found(uri, uri)).uri for uri in offered if uri not in set(there))
    assert taken == list(new)
    assert offer.known == len(offered) - len(taken)


def test_a_name_that_is_not_utf8_is_written_with_escapes_and_told() -> None:
    found = checked(Found("/data/\udcff.jpg", "\udcff.jpg"))
    assert (found.uri, found.key) == ("/data/\\udcff.jpg", "\\udcff.jpg")
    assert found.problem is not None
    assert found.problem[0] == "NAME_NOT_UTF8"


def test_long_uris_stay_apart_from_one_another() -> None:
    one, other = (checked(Found("x" * 5000 + end, "")) for end in "ab")
    assert one.problem is not None
    assert one.problem[0] == "URI_TOO_LONG"
    assert len(one.uri) <= 4096
    assert one.uri != other.uri


# --- tables -------------------------------------------------------------------------------------


def csv_images(text: str, columns: Columns = Columns()) -> list[Found]:  # noqa: B008 - frozen
    return list(TextTable(io.StringIO(text, newline=""), "/data", columns).csv())


def test_a_csv_brings_labels_tags_and_keys() -> None:
    images = csv_images('path,label,tags,id\na.jpg,cat,"x; y;x",7\n../b.jpg,,,\n')
    assert images == [
        Found("/data/a.jpg", "7", "cat", ("x", "y")),
        Found("/b.jpg", "../b.jpg"),
    ]


def test_columns_asked_for_come_before_usual_names() -> None:
    images = csv_images("path,where,kind\na.jpg,b.jpg,dog\n", Columns(uri="where", label="kind"))
    assert images == [Found("/data/b.jpg", "b.jpg", "dog")]


@pytest.mark.parametrize("field", ["uri", "label", "tags", "key"])
def test_a_column_that_is_not_there_is_refused(field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        csv_images("path\na.jpg\n", Columns(**{field: "nowhere"}))
    assert refused.value.field == f"{field}_column"


def test_a_table_without_images_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="neither images nor"):
        csv_images("name,label\na,b\n")


def test_a_record_without_a_uri_is_passed_over() -> None:
    table = TextTable(io.StringIO("path,label\n,cat\nb.jpg,dog\n"), "/data", Columns())
    assert [found.label for found in table.csv()] == ["dog"]
    assert table.passed_over == 1


def test_jsonl_passes_over_lines_that_are_no_objects() -> None:
    lines = '{"uri": "s3://b/a.jpg", "tags": ["x", 1, null, "x"]}\n\n[1]\n{broken\n{"uri": "c.jpg", "label": 3}\n'
    table = TextTable(io.StringIO(lines), "/data", Columns())
    assert list(table.jsonl()) == [
        Found("s3://b/a.jpg", "s3://b/a.jpg", None, ("x", "1")),
        Found("/data/c.jpg", "c.jpg", "3"),
    ]
    assert table.passed_over == 2


def test_an_endless_line_is_refused() -> None:
    table = TextTable(io.StringIO("path\n" + "x" * (1 << 20)), "/data", Columns())
    with pytest.raises(InvalidArgument, match="line of more than"):
        list(table.csv())


def test_bytes_come_before_uris_unless_a_uri_column_is_asked_for() -> None:
    assert choose(Columns(), ["image", "path"], ["image"]).image == "image"
    assert choose(Columns(uri="path"), ["image", "path"], ["image"]).uri == "path"
    assert choose(Columns(), ["image", "label"]).uri == "image"


@pytest.mark.parametrize(
    ("uri", "folder", "expected"),
    [
        ("a/b.jpg", "/data", "/data/a/b.jpg"),
        ("/x/b.jpg", "/data", "/x/b.jpg"),
        ("file:///x/b.jpg", "/data", "/x/b.jpg"),
        ("s3://c/b.jpg", "/data", "s3://c/b.jpg"),
        ("b.jpg", "s3://c/d", "s3://c/d/b.jpg"),
    ],
)
def test_a_relative_uri_begins_at_its_table(uri: str, folder: str, expected: str) -> None:
    assert located(uri, folder) == expected


def test_texts_and_tags_of_odd_values() -> None:
    assert [text_of(value) for value in (None, "", " ", float("nan"), 3, b"x", True)] == [
        None, None, None, None, "3", "x", "True",
    ]  # fmt: skip
    assert tags_of("a,b , a") == ("a", "b")
    assert tags_of({"a": 1}) == ()


# --- tars ---------------------------------------------------------------------------------------


def tar_of(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def test_siblings_tell_about_the_images_of_their_sample() -> None:
    data = tar_of(
        [
            ("a/1.cls", b"cat\n"),
            ("a/1.jpg", b"first"),
            ("a/1.json", b'{"label": "dog", "tags": ["x"]}'),
            ("a/2.left.jpg", b"second"),
            ("a/2.right.png", b"third"),
            ("a/2.txt", b"p; q"),
            ("a/3.jpg", b"last"),
            ("a/3.bin", b"?"),
        ]
    )
    tar = Tar(io.BytesIO(data), "/d.tar")
    images = list(tar)
    assert [(found.key, found.label, found.tags) for found in images] == [
        ("a/1.jpg", "cat", ("x",)),
        ("a/2.left.jpg", None, ("p", "q")),
        ("a/2.right.png", None, ("p", "q")),
        ("a/3.jpg", None, ()),
    ]
    assert tar.passed_over == 1
    offset, size = map(int, images[1].uri.removeprefix("/d.tar#").split(":"))
    assert data[offset : offset + size] == b"second"


def test_a_tar_that_is_cut_off_gives_what_came_before(tmp_path: Path) -> None:
    data = tar_of([(f"{number}.jpg", b"x" * 3000) for number in range(5)])
    images = []
    with pytest.raises(tarfile.TarError):
        images.extend(Tar(io.BytesIO(data[: 3 * 3584 + 700]), "/d.tar"))
    tar = iter(Tar(io.BytesIO(data[: 3 * 3584 + 700]), "/d.tar"))
    assert [next(tar).key for _ in range(2)] == ["0.jpg", "1.jpg"]


def test_braces_count_and_list() -> None:
    assert list(expand("/d-{008..010}.tar")) == ["/d-008.tar", "/d-009.tar", "/d-010.tar"]
    assert list(expand("/{a,b}-{1..2}")) == ["/a-1", "/a-2", "/b-1", "/b-2"]
    assert list(expand("/plain.tar")) == ["/plain.tar"]


@pytest.mark.parametrize("pattern", ["{0..100000}", "{0..999}{0..999}", "{0..999999999999}"])
def test_braces_that_stand_for_too_many_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidArgument, match="braces"):
        expand(pattern)
