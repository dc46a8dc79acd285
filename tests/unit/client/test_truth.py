"""The truth of a simulation, from files."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.client.truth import match, read_truth
from hundredfold.client.types import Image

TRUTH = {"a/1.jpg": "cat", "b/1.jpg": "dog", "b/2.jpg": "dog"}


def image(row: int, key: str) -> Image:
    return Image(row, f"/data/{key}", key, "", 1, 1, "JPEG", "", "", ())


def written(path: Path) -> Path:
    rows = [{"path": key, "label": label} for key, label in TRUTH.items()]
    if path.suffix == ".csv":
        lines = ["path,label,split", *(f"{row['path']},{row['label']},train" for row in rows)]
        path.write_text("\n".join(lines), "utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n\n", "utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("name", ["truth.csv", "truth.jsonl", "truth.parquet"])
def test_truth_is_read_from_each_kind_of_file(tmp_path: Path, name: str) -> None:
    assert read_truth(written(tmp_path / name)) == TRUTH


@pytest.mark.parametrize(
    ("name", "content"),
    [("missing.csv", None), ("truth.txt", "a b"), ("truth.csv", "a,b\n1,2\n"), ("empty.csv", "")],
)
def test_what_is_no_truth_is_an_invalid_argument(
    tmp_path: Path, name: str, content: str | None
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(InvalidArgument) as caught:
        read_truth(path)
    assert caught.value.field == "truth"


def test_images_are_matched_by_key() -> None:
    images = [image(0, "b/1.jpg"), image(1, "c/9.jpg")]
    assert match(TRUTH, images) == {0: "dog"}


def test_images_of_another_folder_are_matched_by_names_that_are_unique() -> None:
    images = [image(0, "elsewhere/1.jpg"), image(1, "elsewhere/2.jpg")]
    assert match(TRUTH, images) == {1: "dog"}


def test_rows_without_a_key_or_a_label_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("path,label\n1.jpg,cat\n2.jpg\n3.jpg,\n,dog\n", "utf-8")
    assert read_truth(tmp_path / "truth.csv") == {"1.jpg": "cat"}


@pytest.mark.parametrize("name", ["truth.csv", "truth.jsonl", "truth.parquet"])
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[1]\n", b"PAR1"])
def test_a_truth_that_can_not_be_read_is_an_invalid_argument(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidArgument):
        read_truth(tmp_path / name)
