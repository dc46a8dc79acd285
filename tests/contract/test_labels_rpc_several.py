"""LabelsService where an image may be of several classes: every question is about one class."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.__main__ import assemble
from hundredfold.labels.config import LabelsConfig
from tests.unit.labels.world import (
    BIRDS,
    IS,
    IS_NOT,
    ROWS,
    UNSURE,
    Client,
    LabelsContract,
    balanced,
    config_for,
    ids_of,
    make_collection,
    make_duplicates,
    new_id,
    page_message,
    rows_of,
    said,
    write_schema,
)

HAT, BAG, SACK = 1, 2, 3
VERIFY = page_pb2.PAGE_KIND_VERIFY
Pairs = set[tuple[int, int]]


def make_several(store: ArtifactStore, merged: dict[int, int] | None = None) -> None:
    write_schema(store, {HAT: "hat", BAG: "bag", SACK: "sack"}, merged or {})
    path = layout.schema(BIRDS)
    store.write_json(path, {**store.read_json(path), "several": True})


def yes_and_no(client: Client, **fields: Any) -> tuple[Pairs, Pairs]:
    yes: Pairs = set()
    no: Pairs = set()
    for piece in client.pieces(**fields):
        yes |= set(zip(rows_of(piece.rows), ids_of(piece.class_ids), strict=True))
        negatives = rows_of(piece.negative_rows), ids_of(piece.negative_class_ids)
        no |= set(zip(*negatives, strict=True))
    return yes, no


class TestSeveral(LabelsContract):
    @pytest.fixture(autouse=True)
    def several(self, store: ArtifactStore) -> None:
        make_several(store, {SACK: BAG})

    @pytest.fixture
    def config(self, tmp_path: Path, redis: Any) -> LabelsConfig:
        return config_for(tmp_path, redis.url, snapshot_every=1)

    def offer(self, client: Client, class_id: int, *rows: int, score: float = 0) -> None:
        page = page_message(f"{class_id}-{rows}", rows, kind=VERIFY, class_id=class_id, score=score)
        client.offer(page, total=ROWS)

    def answer(self, client: Client, class_id: int, yes: list[int], no: list[int]) -> int:
        self.offer(client, class_id, *yes, *no)
        (lease,) = client.lease()
        answer = client.submit(lease.token, said(class_id, IS, *yes), said(class_id, IS_NOT, *no))
        return int(answer.seq)

    def test_yes_and_no_are_of_the_class_asked_about_alone(self, client: Client) -> None:
        self.answer(client, HAT, [1, 2], [3])
        self.answer(client, BAG, [2, 3], [1])
        assert yes_and_no(client) == (
            {(1, HAT), (2, HAT), (2, BAG), (3, BAG)},
            {(3, HAT), (1, BAG)},
        )

    def test_an_image_is_on_pages_of_several_classes_at_once_but_on_one_of_each(
        self, client: Client
    ) -> None:
        self.offer(client, HAT, 1, 2, score=3)
        self.offer(client, BAG, 2, 3, score=2)
        self.offer(client, HAT, 2, 4, score=1)
        leases = [*client.lease("ann"), *client.lease("bob"), *client.lease("cyd")]
        assert [rows_of(each.page.rows) for each in leases] == [[1, 2], [2, 3], [4]]
        progress = client.progress()
        assert (progress.leased, progress.total, progress.images) == (5, 2 * ROWS, ROWS)
        assert balanced(progress)

    def test_a_decided_page_is_of_the_pairs_that_are_still_open(self, client: Client) -> None:
        self.answer(client, HAT, [1], [2])
        self.offer(client, HAT, 1, 2, 3)
        (lease,) = client.lease()
        assert rows_of(lease.page.rows) == [3]

    def test_unsure_sets_the_pair_aside_and_not_the_image(self, client: Client) -> None:
        self.offer(client, HAT, 1, 2)
        (lease,) = client.lease()
        client.submit(lease.token, said(0, UNSURE, 1), said(HAT, IS, 2))
        (piece,) = client.pieces()
        assert (rows_of(piece.unsure_rows), ids_of(piece.unsure_class_ids)) == ([1], [HAT])
        self.answer(client, BAG, [1], [])
        progress = client.progress()
        assert (progress.labelled, progress.unsure, progress.images_labelled) == (2, 1, 0)
        assert balanced(progress)

    def test_the_page_of_a_cluster_gives_yes_for_the_class_that_was_named(
        self, client: Client
    ) -> None:
        client.offer(page_message("c", [1, 2, 3]), total=ROWS)
        (lease,) = client.lease()
        client.submit(lease.token, said(HAT, IS, 1, 2), said(HAT, IS_NOT, 3))
        assert yes_and_no(client) == ({(1, HAT), (2, HAT)}, {(3, HAT)})
        client.offer(page_message("d", [1, 2, 3, 4]), total=ROWS)
        (lease,) = client.lease()
        assert rows_of(lease.page.rows) == [4]

    def test_undo_opens_the_pairs_again_and_leases_their_page(self, client: Client) -> None:
        self.answer(client, BAG, [2], [])
        seq = self.answer(client, HAT, [1], [2])
        again = client.undo(seq, lease_again=True)
        assert rows_of(again.lease.page.rows) == [1, 2]
        assert yes_and_no(client) == ({(2, BAG)}, set())
        client.submit(again.lease.token, said(HAT, IS, 2))
        assert yes_and_no(client)[0] == {(2, BAG), (2, HAT)}

    def test_the_newest_word_on_an_image_and_a_class_counts(self, client: Client) -> None:
        self.answer(client, SACK, [1], [])
        assert yes_and_no(client) == ({(1, BAG)}, set())  # a sack is a bag by now
        seq = self.answer(client, HAT, [5], [])
        self.offer(client, BAG, 1, 2)
        (lease,) = client.lease()
        assert rows_of(lease.page.rows) == [2]
        assert seq == 2

    def test_contradictions_and_strange_classes_are_refused(self, client: Client) -> None:
        self.offer(client, HAT, 1, 2)
        (lease,) = client.lease()
        for judgements in (
            [said(HAT, IS, 1), said(HAT, IS_NOT, 1)],
            [said(HAT, IS, 1), said(0, UNSURE, 1)],
            [said(9, IS, 1)],
            [said(HAT, IS, 7)],
        ):
            with pytest.raises(InvalidArgument):
                client.submit(lease.token, *judgements)

    @pytest.mark.parametrize(
        "fields",
        [
            {"kind": page_pb2.PAGE_KIND_SINGLE},
            {"kind": page_pb2.PAGE_KIND_REVIEW, "class_id": HAT},
            {"kind": VERIFY, "class_id": 9},
            {"kind": page_pb2.PAGE_KIND_CLUSTER, "class_id": HAT},
        ],
    )
    def test_pages_that_ask_otherwise_are_refused(
        self, client: Client, fields: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidArgument):
            client.offer(page_message("p", [1], **fields), total=ROWS)

    def test_reconcile_keeps_a_row_on_pages_of_two_classes_and_drops_what_is_known(
        self, client: Client
    ) -> None:
        self.answer(client, HAT, [1], [])
        self.offer(client, HAT, 1)
        self.offer(client, HAT, 2, 3, score=2)
        self.offer(client, BAG, 2, 3, score=1)
        healed = client.stub.Reconcile(labels_pb2.ReconcileRequest(collection=BIRDS))
        assert healed.dropped_pages == 1
        assert (healed.progress.ready_pages, healed.progress.ready) == (2, 4)
        assert balanced(healed.progress)

    def test_a_restart_from_a_snapshot_knows_the_same(
        self, client: Client, config: LabelsConfig, assembled: Any
    ) -> None:
        self.answer(client, HAT, [1, 2], [3])
        known = yes_and_no(client)
        assembled.ledger.follow()
        self.answer(client, BAG, [1], [2])
        again = assemble(config)
        labels = again.ledger.labels(BIRDS)
        again.close()
        assert set(zip(labels.rows.tolist(), labels.class_ids.tolist(), strict=True)) == known[
            0
        ] | {(1, BAG)}
        assert labels.negative_rows.tolist() == [2, 3]


class TestFilesOfSeveral(LabelsContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        folder = tmp_path / "images"
        folder.mkdir()
        for row in range(6):
            (folder / f"{row}.jpg").write_bytes(b"image %d" % row)
        store = ArtifactStore(str(tmp_path / "store"))
        make_collection(store, rows=6, uris=[str(folder / f"{row}.jpg") for row in range(6)])
        make_several(store)
        return store

    @pytest.fixture
    def config(self, tmp_path: Path, redis: Any) -> LabelsConfig:
        folders = (str(tmp_path / "out"), str(tmp_path / "images"))
        return LabelsConfig(
            store=str(tmp_path / "store"), redis_url=redis.url, roots=folders, sources=folders
        )

    def imported(self, client: Client, path: Path, text: str) -> Any:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        request = labels_pb2.ImportRequest(
            collection=BIRDS,
            source=str(path),
            format=labels_pb2.FORMAT_CSV,
            request_id=new_id(),
        )
        return client.ended(client.stub.Import(request).run)

    def exported(self, client: Client, path: Path, form: "labels_pb2.Format.ValueType") -> Any:
        path.parent.mkdir(exist_ok=True)
        request = labels_pb2.ExportRequest(
            collection=BIRDS, format=form, destination=str(path), request_id=new_id()
        )
        return client.ended(client.stub.Export(request).run)

    TEXT = "key,label,not_label\n0.jpg,hat;bag,sack\n1.jpg,hat,\n2.jpg,,bag\n1.jpg,sack,\n9.jpg,hat,\n3.jpg,cap,\n"

    def test_joined_names_are_read_written_and_read_again(
        self, client: Client, tmp_path: Path
    ) -> None:
        run = self.imported(client, tmp_path / "out" / "in.csv", self.TEXT)
        assert '"labels": 6' in run.result_json
        assert '"unknown_images": 1' in run.result_json
        assert '"cap"' in run.result_json
        known = yes_and_no(client)
        assert known == (
            {(0, HAT), (0, BAG), (1, HAT), (1, SACK)},
            {(0, SACK), (2, BAG)},
        )
        out = tmp_path / "out" / "labels.csv"
        run = self.exported(client, out, labels_pb2.FORMAT_CSV)
        assert '"verified": true' in run.result_json
        assert '"labelled": 2' in run.result_json
        with out.open(encoding="utf-8", newline="") as file:
            lines = {each["key"]: each for each in csv.DictReader(file)}
        assert lines["0.jpg"]["label"] == "hat;bag"
        assert lines["2.jpg"]["not_label"] == "bag"
        client.stub.ClearLabels(
            labels_pb2.ClearLabelsRequest(collection=BIRDS, request_id=new_id())
        )
        self.imported(client, out.with_name("again.csv"), out.read_text("utf-8"))
        assert yes_and_no(client) == known

    @pytest.mark.parametrize("form", [labels_pb2.FORMAT_JSONL, labels_pb2.FORMAT_PARQUET])
    def test_other_files_hold_the_same(
        self, client: Client, tmp_path: Path, form: "labels_pb2.Format.ValueType"
    ) -> None:
        self.imported(client, tmp_path / "out" / "in.csv", self.TEXT)
        run = self.exported(client, tmp_path / "out" / "labels", form)
        assert '"verified": true' in run.result_json
        assert '"images": 3' in run.result_json

    def test_an_image_is_in_the_folder_of_each_of_its_classes(
        self, client: Client, tmp_path: Path
    ) -> None:
        self.imported(client, tmp_path / "out" / "in.csv", self.TEXT)
        self.exported(client, tmp_path / "out" / "folders", labels_pb2.FORMAT_IMAGENET)
        found = sorted(each.parent.name for each in (tmp_path / "out" / "folders").rglob("*_0*"))
        assert found == ["bag", "hat"]

    def test_a_line_that_contradicts_itself_is_refused(
        self, client: Client, tmp_path: Path
    ) -> None:
        text = "key,label,not_label\n0.jpg,hat,hat\n"
        run = self.imported(client, tmp_path / "out" / "in.csv", text)
        assert "not to be" in run.error

    def test_copies_have_the_classes_of_their_representative(
        self, client: Client, store: ArtifactStore, tmp_path: Path
    ) -> None:
        make_duplicates(store, [0, 0, 2, 3, 4, 5])
        self.imported(client, tmp_path / "out" / "in.csv", "key,label\n1.jpg,hat;bag\n")
        assert yes_and_no(client)[0] == {(0, HAT), (0, BAG)}
        copies = yes_and_no(client, include_copies=True)[0]
        assert copies == {(0, HAT), (0, BAG), (1, HAT), (1, BAG)}


class TestAuditsOfAClass(LabelsContract):
    """An audit is of one class: whether the yes and the no of a head may stand for what nobody answered."""

    MODEL = f"head-{BIRDS}@1"
    HATS = range(0, ROWS, 5)

    @pytest.fixture(autouse=True)
    def predicted(self, store: ArtifactStore) -> None:
        make_several(store)
        likely = np.where(np.isin(np.arange(ROWS), list(self.HATS)), 0.97, 0.01)
        kept = np.flatnonzero(likely >= 0.02)
        out = io.BytesIO()
        np.savez(
            out,
            rows=np.arange(ROWS),
            starts=np.concatenate([[0], np.cumsum(likely >= 0.02)]),
            class_ids=np.full(len(kept), HAT, np.int32),
            probability=likely[kept].astype(np.float32),
            rest_class_ids=np.array([HAT, SACK], np.int32),
            rest_probability=np.full(2, 0.01, np.float32),
        )
        folder, name = layout.predictions(BIRDS, self.MODEL), layout.predictions_part(0)
        manifest = Manifest.load(store, folder)
        manifest.add(name, store.write_bytes(f"{folder}/{name}", out.getvalue()), rows=ROWS)
        manifest.save()

    def start(self, client: Client, class_id: int = HAT, **fields: Any) -> Any:
        request = labels_pb2.StartAuditRequest(
            collection=BIRDS,
            request_id=f"audit-{client.progress().head_seq}",  # the same is drawn each time
            model=self.MODEL,
            class_id=class_id,
            **{"allowed_error": 0.2, "sample": 40, **fields},
        )
        return client.stub.StartAudit(request).audit

    def answer_all(self, client: Client, audit_id: str, *, wrong: int = 0) -> Any:
        """Answer by the truth, some otherwise."""
        for _ in range(50):
            audit = client.stub.GetAudit(
                labels_pb2.GetAuditRequest(collection=BIRDS, audit_id=audit_id)
            ).audit
            if audit.state != labels_pb2.AUDIT_STATE_OPEN:
                return audit
            (lease,) = client.lease()
            assert lease.page.kind == page_pb2.PAGE_KIND_AUDIT
            assert lease.page.class_id == HAT
            rows = rows_of(lease.page.rows)
            yes = {row for row in rows if row in self.HATS}
            for row in rows[: max(0, wrong)]:
                yes ^= {row}
                wrong -= 1
            no = [row for row in rows if row not in yes]
            client.submit(lease.token, said(HAT, IS, *sorted(yes)), said(HAT, IS_NOT, *no))
        raise AssertionError("the audit does not end")

    def certify(self, client: Client, audit_id: str) -> Any:
        request = labels_pb2.CertifyRequest(
            collection=BIRDS, request_id=new_id(), audit_id=audit_id, auto_label=True
        )
        return client.stub.Certify(request)

    def test_a_class_that_passes_is_known_of_every_image_and_undo_takes_that_back(
        self, client: Client
    ) -> None:
        client.offer(page_message("p", [1, 2], kind=VERIFY, class_id=HAT), total=ROWS)
        audit = self.start(client)
        assert (audit.class_id, audit.total, audit.population) == (HAT, ROWS, ROWS)
        pieces = client.pieces()
        assert {piece.audit_class_id for piece in pieces} == {HAT}
        assert sum(len(rows_of(piece.audit_rows)) for piece in pieces) == 40
        audit = self.answer_all(client, audit.audit_id)
        assert audit.state == labels_pb2.AUDIT_STATE_PASSED
        assert (audit.errors, audit.bound < 0.2) == (0, True)
        written = self.certify(client, audit.audit_id)
        assert written.labelled == ROWS - 40
        yes, no = yes_and_no(client)
        assert yes == {(row, HAT) for row in self.HATS}
        assert len(no) == ROWS - len(self.HATS)
        (piece,) = client.pieces()
        origins = [*np.frombuffer(piece.origins.data, np.uint8)]
        origins += [*np.frombuffer(piece.negative_origins.data, np.uint8)]
        assert origins.count(127) == ROWS - 40
        assert client.progress().images_labelled == 0  # bags and sacks are unknown
        client.undo(written.seq)
        yes, no = yes_and_no(client)
        assert len(yes) + len(no) == 40

    def test_a_head_that_is_often_wrong_fails(self, client: Client) -> None:
        audit = self.start(client, allowed_error=0.05)
        audit = self.answer_all(client, audit.audit_id, wrong=30)
        assert audit.state == labels_pb2.AUDIT_STATE_FAILED
        with pytest.raises(Conflict) as refused:
            self.certify(client, audit.audit_id)
        assert refused.value.reason == "BOUND_NOT_MET"

    def test_the_next_audit_answers_for_what_a_certificate_said_too(self, client: Client) -> None:
        client.offer(page_message("p", [1, 2], kind=VERIFY, class_id=HAT), total=ROWS)
        self.certify(client, self.answer_all(client, self.start(client).audit_id).audit_id)
        again = self.start(client, allowed_error=0.1)
        assert (again.look, again.total, again.population) == (1, ROWS, ROWS - 40)
        again = self.answer_all(client, again.audit_id, wrong=2)
        assert again.answered == 40
        assert again.errors == 2
        yes, no = yes_and_no(client)
        assert len(yes) + len(no) == ROWS
        assert len(yes ^ {(row, HAT) for row in self.HATS}) == 2

    def test_what_failed_passes_once_people_have_put_enough_right_while_others_are_audited(
        self, client: Client
    ) -> None:
        hats, everything = self.start(client, allowed_error=0.1), list(range(ROWS))
        hats = self.answer_all(client, hats.audit_id, wrong=3)
        assert hats.state == labels_pb2.AUDIT_STATE_FAILED
        client.offer(page_message("p", everything, kind=VERIFY, class_id=HAT), total=ROWS)
        (lease,) = client.lease()
        rows = rows_of(lease.page.rows)
        odd = [row for row in rows if row not in self.HATS][:10]
        no = [row for row in rows if row not in self.HATS and row not in odd]
        yes = [row for row in rows if row in self.HATS or row in odd]
        client.submit(lease.token, said(HAT, IS, *yes), said(HAT, IS_NOT, *no))
        assert self.start(client, SACK).state == labels_pb2.AUDIT_STATE_OPEN
        assert self.certify(client, hats.audit_id).audit.bound < 0.1

    def test_what_was_said_before_is_no_part_of_the_population(self, client: Client) -> None:
        client.offer(page_message("p", range(10), kind=VERIFY, class_id=HAT), total=ROWS)
        (lease,) = client.lease()
        client.submit(lease.token, said(HAT, IS, 0, 5), said(HAT, IS_NOT, 1, 2), said(0, UNSURE, 3))
        assert self.start(client).population == ROWS - 5

    def test_an_image_of_the_sample_stays_free_for_other_classes(self, client: Client) -> None:
        audit = self.start(client)
        sampled = rows_of(client.pieces()[0].audit_rows)
        leases = [lease for _ in range(8) for lease in client.lease()]
        assert {each.page.class_id for each in leases} == {HAT}
        client.offer(page_message("p", sampled, kind=VERIFY, class_id=BAG), total=ROWS)
        (lease,) = client.lease()
        assert (lease.page.class_id, len(rows_of(lease.page.rows))) == (BAG, len(sampled))
        assert audit.sample <= 40

    def test_what_can_not_be_audited_is_refused(self, client: Client) -> None:
        for error, fields in (
            (InvalidArgument, {"class_id": 0}),
            (InvalidArgument, {"class_id": 9}),
            (NotFound, {"class_id": BAG}),
            (NotFound, {"model": f"head-{BIRDS}@7"}),
            (Conflict, {"by_class": True}),
            (Conflict, {"find_threshold": True}),
        ):
            with pytest.raises(error):
                client.stub.StartAudit(
                    labels_pb2.StartAuditRequest(
                        collection=BIRDS,
                        request_id=new_id(),
                        **{"model": self.MODEL, "class_id": HAT, **fields},
                    )
                )
