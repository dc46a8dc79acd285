"""Every format gives back what it was given, whatever names there are."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.formats import FORMATS
from hundredfold.labels.formats.base import COLUMNS, Content, FileFormat, Place

FILES = [name for name, each in FORMATS.items() if isinstance(each, FileFormat)]

# What is valid UTF-8; a NUL can be no part of a path.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
images = st.fixed_dictionaries(
    {
        "row": st.integers(0, 2**40),
        "uri": texts,
        "key": texts,
        "label": texts,
        "class_id": st.integers(0, 2**31 - 1),
        "annotator": texts,
        "seq": st.integers(0, 2**62),
        "representative": st.integers(-1, 2**40),
    }
)


def tables(parts: list[list[dict[str, Any]]]) -> list[pa.Table]:
    return [pa.Table.from_pylist(part, schema=COLUMNS) for part in parts]


def written(form: FileFormat, parts: list[list[dict[str, Any]]]) -> bytes:
    out = io.BytesIO()
    with form.writer(out) as write:
        for table in tables(parts):
            write(table)
    return out.getvalue()


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60)
@given(parts=st.lists(st.lists(images, max_size=4), max_size=3))
def test_what_is_written_is_read_again(name: str, parts: list[list[dict[str, Any]]]) -> None:
    form = FORMATS[name]
    assert isinstance(form, FileFormat)
    found: list[dict[str, str]] = []
    for lines in form.lines(io.BytesIO(written(form, parts)), COLUMNS.names):
        columns = list(lines)
        found += [
            {column: str(value) for column, value in zip(columns, line, strict=True)}
            for line in zip(*lines.values(), strict=True)
        ]
    wanted = [{key: str(value) for key, value in image.items()} for part in parts for image in part]
    assert found == wanted


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40)
@given(data=st.binary(max_size=200), columns=st.sampled_from([["row"], ["key", "label"]]))
def test_any_bytes_are_lines_or_refused(name: str, data: bytes, columns: list[str]) -> None:
    form = FORMATS[name]
    assert isinstance(form, FileFormat)
    try:
        for lines in form.lines(io.BytesIO(data), columns):
            assert set(lines) <= set(columns)
            assert len({len(values) for values in lines.values()}) <= 1
    except Exception as error:
        if type(error).__name__ != "InvalidArgument":
            raise


@pytest.mark.parametrize("name", FILES)
def test_what_is_missing_or_changed_in_the_file_is_noticed(name: str, tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    form = FORMATS[name]
    image = dict.fromkeys(COLUMNS.names, "x") | {"row": 1, "class_id": 2, "seq": 1}
    part = [{**image, "row": row, "representative": row} for row in range(5)]
    place, content = Place(store, "labels"), Content(tables([part]), {}, iter)
    before = form.write(place, content)
    assert form.recount(place) == before
    assert isinstance(form, FileFormat)
    for other in (part[:4], [*part[:4], part[3]], [*part[:4], {**part[4], "class_id": 3}]):
        store.write_bytes("labels", written(form, [other]))
        assert form.recount(place) != before
