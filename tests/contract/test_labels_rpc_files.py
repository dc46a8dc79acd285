"""LabelsService: export and import."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.api.runs.v1 import runs_pb2
from hundredfold.chassis.errors import (
    Aborted,
    AlreadyExists,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.config import LabelsConfig
from tests.contract.documented import result_keys
from tests.unit.labels.servers import RedisServer
from tests.unit.labels.world import (
    BIRDS,
    OLD_OWL,
    OWL,
    TIT,
    Client,
    LabelsContract,
    config_for,
    make_collection,
    make_duplicates,
    new_id,
    said,
    write_schema,
)

CSV, JSONL, PARQUET, IMAGENET = (
    labels_pb2.FORMAT_CSV,
    labels_pb2.FORMAT_JSONL,
    labels_pb2.FORMAT_PARQUET,
    labels_pb2.FORMAT_IMAGENET,
)
REMOTE = "memory://labels-exports"
NASTY = ['=1+2,"x"', "a\nb\r\nc", " spaces ", "Ünïcödé 🦉", "'; DROP TABLE", "../up/a.jpg", "a\tb"]


class Files(LabelsContract):
    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        folder = tmp_path / "out"
        folder.mkdir()
        return folder

    @pytest.fixture
    def images(self, tmp_path: Path) -> list[str]:
        folder = tmp_path / "images"
        folder.mkdir()
        for row in range(100):
            (folder / f"{row}.jpg").write_bytes(b"image %d" % row)
        return [str(folder / f"{row}.jpg") for row in range(100)]

    @pytest.fixture
    def store(self, tmp_path: Path, images: list[str]) -> ArtifactStore:
        store = ArtifactStore(str(tmp_path / "store"))
        keys = [*NASTY, *(f"{row}.jpg" for row in range(len(NASTY), 100))]
        make_collection(store, broken=[99], uris=images, keys=keys)
        return store

    @pytest.fixture
    def config(self, tmp_path: Path, redis: RedisServer) -> LabelsConfig:
        config = config_for(tmp_path, redis.url, sources=(str(tmp_path / "images"),))
        return replace(config, roots=(*config.roots, REMOTE))

    def export(self, client: Client, form: int, path: Path | str = "", **fields: Any) -> Any:
        given = {"request_id": new_id(), **fields}
        return client.stub.Export(
            labels_pb2.ExportRequest(collection=BIRDS, format=form, destination=str(path), **given)
        ).run

    def take(self, client: Client, form: int, path: Path | str, **fields: Any) -> Any:
        given = {"request_id": new_id(), **fields}
        return client.stub.Import(
            labels_pb2.ImportRequest(collection=BIRDS, format=form, source=str(path), **given)
        ).run

    def result(self, client: Client, run: Any) -> dict[str, Any]:
        ended = client.ended(run)
        assert ended.state == runs_pb2.STATE_SUCCEEDED, ended.error
        found: dict[str, Any] = json.loads(ended.result_json)
        return found


class TestExport(Files):
    def test_a_csv_has_a_line_for_each_labelled_image_and_its_copies(
        self, client: Client, store: ArtifactStore, out: Path, images: list[str]
    ) -> None:
        make_duplicates(store, [0, 1, 2, 3, 3, *range(5, 99), -1])
        client.decide(OLD_OWL, 0, 1)
        client.decide(TIT, 3, annotator="=bob()")
        result = self.result(client, self.export(client, CSV, out / "labels.csv"))
        assert set(result) == result_keys("Export")
        assert result == {
            "destination": str(out / "labels.csv"),
            "images": 4,
            "labelled": 4,
            "seq": 2,
            "verified": True,
        }
        with (out / "labels.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
        assert [(line["row"], line["label"], line["class_id"]) for line in lines] == [
            ("0", "owl", "1"),
            ("1", "owl", "1"),
            ("3", "tit", "2"),
            ("4", "tit", "2"),
        ]
        assert lines[3] == {
            "row": "4",
            "uri": images[4],
            "key": NASTY[4],
            "label": "tit",
            "class_id": "2",
            "annotator": "=bob()",
            "seq": "2",
            "representative": "3",
        }
        assert [line["key"] for line in lines] == [NASTY[row] for row in (0, 1, 3, 4)]

    def test_jsonl_and_parquet_hold_the_same(self, client: Client, out: Path) -> None:
        client.decide(OWL, *range(7))
        self.result(client, self.export(client, JSONL, out / "a.jsonl"))
        self.result(client, self.export(client, PARQUET, out / "a.parquet"))
        lines = [json.loads(line) for line in (out / "a.jsonl").read_text().split("\n") if line]
        assert lines == pq.read_table(out / "a.parquet").to_pylist()
        assert [line["key"] for line in lines] == NASTY

    def test_images_without_a_label_come_along_when_asked(self, client: Client, out: Path) -> None:
        client.decide(OWL, 5)
        run = self.export(client, PARQUET, out / "a.parquet", include_unlabelled=True)
        result = self.result(client, run)
        assert (result["images"], result["labelled"]) == (99, 1)
        table = pq.read_table(out / "a.parquet").to_pydict()
        assert table["row"] == list(range(99)), "the broken one is no image"
        assert [each for each in table["label"] if each] == ["owl"]

    def test_without_a_destination_it_goes_into_the_store(
        self, client: Client, store: ArtifactStore
    ) -> None:
        client.decide(OWL, 5)
        run = self.export(client, CSV)
        result = self.result(client, run)
        path = f"collections/birds/exports/{run.run_id}/labels.csv"
        assert result["destination"] == f"{store.root}/{path}"
        assert b"owl" in store.read_bytes(path)

    def test_nothing_labelled_is_an_empty_file(self, client: Client, out: Path) -> None:
        for form, name in ((CSV, "a.csv"), (JSONL, "a.jsonl"), (PARQUET, "a.parquet")):
            assert self.result(client, self.export(client, form, out / name))["images"] == 0
        assert self.result(client, self.export(client, IMAGENET, out / "a"))["images"] == 0
        assert list((out / "a").iterdir()) == []

    def test_imagenet_is_a_folder_a_class_with_copies_of_the_files(
        self, client: Client, store: ArtifactStore, out: Path
    ) -> None:
        write_schema(store, {OWL: "../Owl/\x00:", TIT: "tit", 4: "TIT"}, {})
        client.decide(OWL, 0, 5)
        client.decide(TIT, 8)
        client.decide(4, 9)
        run = self.export(client, IMAGENET, out / "tree", include_unlabelled=True)
        result = self.result(client, run)
        assert (result["images"], result["labelled"]) == (99, 4)
        files = {str(each.relative_to(out / "tree")) for each in (out / "tree").rglob("*.jpg")}
        assert {name for name in files if not name.startswith("_unlabelled/")} == {
            "x_Owl___/000000000_=1+2,_x_.jpg",
            "x_Owl___/000000005_a.jpg",
            "tit.2/000000008_8.jpg",
            "TIT.4/000000009_9.jpg",
        }
        assert (out / "tree/tit.2/000000008_8.jpg").read_bytes() == b"image 8"
        assert not (out / "tree/tit.2/000000008_8.jpg").is_symlink()
        assert [each.name for each in out.iterdir()] == ["tree"]

    def test_an_original_that_is_away_fails_the_export_and_leaves_nothing(
        self, client: Client, out: Path, images: list[str]
    ) -> None:
        client.decide(OWL, 0, 20)
        Path(images[20]).unlink()
        run = client.ended(self.export(client, IMAGENET, out / "tree"))
        assert run.state == runs_pb2.STATE_FAILED
        assert "20.jpg" in run.error
        assert list(out.iterdir()) == []

    def test_a_folder_with_something_in_it_is_left_alone(self, client: Client, out: Path) -> None:
        client.decide(OWL, 8)
        (out / "precious").write_text("x")
        run = client.ended(self.export(client, IMAGENET, out))
        assert run.state == runs_pb2.STATE_FAILED
        assert "not empty" in run.error
        assert [each.name for each in out.iterdir()] == ["precious"]

    @pytest.mark.parametrize("kind", [CSV, IMAGENET])
    def test_a_destination_that_can_not_be_written_is_named(
        self, client: Client, out: Path, images: list[str], kind: Any
    ) -> None:
        client.decide(OWL, 0)
        (out / "file").write_text("x")
        run = client.ended(self.export(client, kind, out / "file" / "deeper" / "x.csv"))
        assert run.state == runs_pb2.STATE_FAILED
        assert "deeper/x.csv can't be written" in run.error

    @pytest.mark.parametrize(
        "destination",
        ["/etc/hundredfold.csv", "out/../../x.csv", "s3://bucket/x.csv", "{out}/../x.csv"],
    )
    def test_a_destination_outside_of_the_roots_is_refused(
        self, client: Client, out: Path, destination: str
    ) -> None:
        refused = InvalidArgument if destination.startswith("out/") else PermissionDenied
        with pytest.raises(refused) as told:
            self.export(client, CSV, destination.format(out=out))
        assert told.value.field == "destination"

    def test_a_link_out_of_the_roots_is_refused(self, client: Client, out: Path) -> None:
        (out / "link").symlink_to("/etc")
        with pytest.raises(PermissionDenied):
            self.export(client, CSV, out / "link" / "x.csv")

    def test_bounds(self, client: Client, out: Path) -> None:
        for form in (labels_pb2.FORMAT_UNSPECIFIED, 9):
            with pytest.raises(InvalidArgument) as told:
                self.export(client, form)
            assert told.value.field == "format"
        (out / "file").write_text("x")
        for form, path in ((CSV, out), (IMAGENET, out / "file")):
            with pytest.raises(InvalidArgument) as told:
                self.export(client, form, path)
            assert told.value.field == "destination"
        with pytest.raises(InvalidArgument):
            self.export(client, CSV, request_id="")
        request = labels_pb2.ExportRequest(collection="fish", format=CSV, request_id=new_id())
        with pytest.raises(NotFound):
            client.stub.Export(request)

    def test_the_same_request_is_the_same_run(self, client: Client, out: Path) -> None:
        request_id = new_id()
        run = self.export(client, CSV, out / "a.csv", request_id=request_id)
        client.ended(run)
        again = self.export(client, CSV, out / "a.csv", request_id=request_id)
        assert again.run_id == run.run_id
        with pytest.raises((AlreadyExists, Aborted)):
            self.export(client, CSV, out / "b.csv", request_id=request_id)


class TestImport(Files):
    @pytest.mark.parametrize(
        ("form", "name"), [(CSV, "a.csv"), (JSONL, "a.jsonl"), (PARQUET, "a.parquet")]
    )
    @pytest.mark.parametrize("include_unlabelled", [False, True])
    def test_what_was_exported_comes_back(
        self, client: Client, store: ArtifactStore, form: int, name: str, include_unlabelled: bool
    ) -> None:
        make_duplicates(store, [0, 1, 2, 3, 3, *range(5, 99), -1])
        client.decide(OLD_OWL, 0, 1)
        client.decide(TIT, 2, 3, 50)
        before = client.labels(), client.labels(include_copies=True)
        run = self.export(client, form, include_unlabelled=include_unlabelled)
        place = self.result(client, run)["destination"]
        client.stub.ClearLabels(
            labels_pb2.ClearLabelsRequest(collection=BIRDS, request_id=new_id())
        )
        result = self.result(client, self.take(client, form, place))
        assert (client.labels(), client.labels(include_copies=True)) == before
        assert set(result) == result_keys("Import")
        assert result == {
            "labels": 5,
            "lines": 99 if include_unlabelled else 6,
            "unlabelled": 93 if include_unlabelled else 0,
            "unknown_images": 0,
            "unknown_classes": [],
            "seq": 4,
        }

    def test_a_preview_counts_and_takes_nothing(self, client: Client) -> None:
        client.decide(OWL, 8)
        place = self.result(client, self.export(client, CSV))["destination"]
        before, seq = client.labels(), client.progress().head_seq
        result = self.result(client, self.take(client, CSV, place, preview=True))
        assert (result["labels"], result["seq"]) == (1, 0)
        assert (client.labels(), client.progress().head_seq) == (before, seq)

    def test_it_goes_over_a_remote_store_too(self, client: Client) -> None:
        client.decide(OWL, 8)
        client.decide(TIT, 9)
        before = client.labels()
        place = f"{REMOTE}/{new_id()}"
        result = self.result(client, self.export(client, PARQUET, f"{place}/a.parquet"))
        assert result["destination"] == f"{place}/a.parquet"
        self.result(client, self.take(client, PARQUET, f"{place}/a.parquet"))
        assert client.labels() == before
        result = self.result(client, self.export(client, IMAGENET, f"{place}/tree"))
        assert result["images"] == 2
        with fsspec.open(f"{place}/tree/owl/000000008_8.jpg") as file:
            assert file.read() == b"image 8"

    def csv(self, out: Path, *lines: str) -> Path:
        (out / "in.csv").write_text("\n".join(lines) + "\n")
        return out / "in.csv"

    def test_it_is_one_event_that_can_be_taken_back(self, client: Client, out: Path) -> None:
        client.decide(TIT, 8)
        path = self.csv(out, "key,label", "8.jpg,owl", "9.jpg,tit", "10.jpg,owl")
        request_id = new_id()
        self.result(client, self.take(client, CSV, path, request_id=request_id))
        assert client.labels() == {8: OWL, 9: TIT, 10: OWL}
        event = client.events()[1]
        assert (event.kind, event.images) == (labels_pb2.EVENT_KIND_IMPORT, 3)
        assert (event.actor, event.request_id) == ("anonymous", request_id)
        assert list(event.judgements) == [
            said(OWL, labels_pb2.VERDICT_IS, 8, 10),
            said(TIT, labels_pb2.VERDICT_IS, 9),
        ]
        client.undo(2)
        assert client.labels() == {8: TIT}

    def test_what_is_unknown_is_told_and_not_made(self, client: Client, out: Path) -> None:
        path = self.csv(
            out, "key,label", "8.jpg,owl", "nope.jpg,owl", "9.jpg,eagle", "10.jpg,", "99.jpg,tit"
        )
        result = self.result(client, self.take(client, CSV, path))
        assert client.labels() == {8: OWL}
        assert result == {
            "labels": 1,
            "lines": 5,
            "unlabelled": 1,
            "unknown_images": 2,
            "unknown_classes": ["eagle"],
            "seq": 1,
        }

    def test_nothing_to_take_is_no_event(self, client: Client, out: Path) -> None:
        path = self.csv(out, "key,label", "8.jpg,eagle")
        assert self.result(client, self.take(client, CSV, path))["seq"] == 0
        assert not client.events()

    @pytest.mark.parametrize(
        ("head", "line"),
        [
            ("row,class_id", "8,2"),
            ("row,label", "8,tit"),
            ("uri,label", "{images}/8.jpg,tit"),
            ("path,label", "8.jpg,tit"),
            ("path,label", "{images}/8.jpg,tit"),
            ("label,other,key", "tit,x,8.jpg"),
            ("key,label", "8.jpg,  tit "),
            ("\ufeffkey,label", "8.jpg,tit"),
        ],
    )
    def test_images_and_classes_can_be_named_in_several_ways(
        self, client: Client, out: Path, tmp_path: Path, head: str, line: str
    ) -> None:
        path = self.csv(out, head, line.format(images=tmp_path / "images"))
        self.result(client, self.take(client, CSV, path))
        assert client.labels() == {8: TIT}

    def test_a_merged_class_means_the_one_it_is_part_of(self, client: Client, out: Path) -> None:
        self.result(client, self.take(client, CSV, self.csv(out, "key,label", "8.jpg,old owl")))
        (event,) = client.events()
        assert event.judgements[0].class_id == OWL

    def test_labels_of_copies_go_to_their_representative(
        self, client: Client, store: ArtifactStore, out: Path
    ) -> None:
        make_duplicates(store, [*range(20), 20, 20, 20, *range(23, 99), -1])
        path = self.csv(out, "row,class_id", "20,1", "21,2", "22,2")
        self.result(client, self.take(client, CSV, path))
        assert client.labels() == {20: OWL}

    def test_images_of_one_name_are_told_apart_or_left_alone(
        self, client: Client, store: ArtifactStore, out: Path, images: list[str]
    ) -> None:
        make_collection(store, uris=images, keys=["same.jpg"] * 2 + [f"{i}" for i in range(98)])
        path = self.csv(out, "key,label", "same.jpg,owl", "5,tit")
        result = self.result(client, self.take(client, CSV, path))
        assert (result["labels"], result["unknown_images"]) == (1, 1)
        path = self.csv(out, "key,label,row", "same.jpg,owl,1")
        self.result(client, self.take(client, CSV, path))
        assert client.labels() == {1: OWL, 7: TIT}

    @pytest.mark.parametrize(
        ("form", "content", "why"),
        [
            (CSV, b"name,label\nx,y\n", "needs a column"),
            (CSV, b"key,other\nx,y\n", "needs a column"),
            (CSV, b'key,label\n"x,y\n', "not CSV"),
            (CSV, b"key,label\n\xff\xfe,y\n", "not CSV"),
            (JSONL, b'{"key": 1\n', "line 1"),
            (JSONL, b"[1]\n", "line 1"),
            (JSONL, b'{"a": 1}\n', "needs a column"),
            (PARQUET, b"PAR1 but not really", "Parquet"),
        ],
    )
    def test_a_file_of_another_form_fails_and_changes_nothing(
        self, client: Client, out: Path, form: int, content: bytes, why: str
    ) -> None:
        (out / "in").write_bytes(content)
        run = client.ended(self.take(client, form, out / "in"))
        assert run.state == runs_pb2.STATE_FAILED
        assert why in run.error
        assert not client.events()

    def test_a_file_that_is_not_there_fails(self, client: Client, out: Path) -> None:
        assert "no such file" in client.ended(self.take(client, CSV, out / "absent")).error

    @pytest.mark.parametrize("source", ["/etc/passwd", "{out}/../secret.csv", "s3://b/x"])
    def test_a_source_outside_of_the_roots_is_refused(
        self, client: Client, out: Path, source: str
    ) -> None:
        with pytest.raises(PermissionDenied) as told:
            self.take(client, CSV, source.format(out=out))
        assert told.value.field == "source"

    def test_bounds(self, client: Client, out: Path) -> None:
        with pytest.raises(InvalidArgument, match="IMAGENET"):
            self.take(client, IMAGENET, out / "x")
        with pytest.raises(InvalidArgument):
            self.take(client, CSV, "")
        request = labels_pb2.ImportRequest(collection="fish", format=CSV, request_id=new_id())
        with pytest.raises(NotFound):
            client.stub.Import(request)

    def test_a_large_import_is_watched_without_its_judgements(
        self, client: Client, store: ArtifactStore, out: Path
    ) -> None:
        make_collection(store, rows=70_000)
        rows = np.arange(70_000)
        table = pa.table({"row": rows, "class_id": rows % 2 + 1})
        pq.write_table(table, out / "in.parquet")
        assert (
            self.result(client, self.take(client, PARQUET, out / "in.parquet"))["labels"] == 70_000
        )
        (event,) = client.events()
        assert (event.images, len(event.judgements)) == (70_000, 0)
        assert len(client.labels()) == 70_000
