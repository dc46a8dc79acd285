"""LabelsService: classes with children. A label of one says which classes an image may be of."""

import pytest

from hundredfold.api.common.v1 import page_pb2
from hundredfold.chassis.storage.store import ArtifactStore
from tests.unit.labels.world import (
    IS,
    IS_NOT,
    ROWS,
    Client,
    LabelsContract,
    ids_of,
    page_message,
    rows_of,
    said,
    write_schema,
)

BIRD, OWL, TIT, FISH, EEL = 1, 2, 3, 4, 5
VERIFY = page_pb2.PAGE_KIND_VERIFY


def write_parents(store: ArtifactStore, parents: dict[int, int], merged: dict[int, int]) -> None:
    names = dict(enumerate(("bird", "owl", "tit", "fish", "eel"), 1))
    write_schema(store, names, merged, parents=parents)


class TestHierarchy(LabelsContract):
    @pytest.fixture(autouse=True)
    def families(self, store: ArtifactStore) -> None:
        write_parents(store, {OWL: BIRD, TIT: BIRD, EEL: FISH}, {})

    def ask(self, client: Client, class_id: int, *rows: int) -> list[int]:
        """Offer a page of a class; the images of it that are asked about."""
        client.offer(
            page_message(f"{class_id}-{rows}", rows, kind=VERIFY, class_id=class_id),
            total=ROWS,
            replace=True,
        )
        leases = client.lease()
        return rows_of(leases[0].page.rows) if leases else []

    def possible(self, client: Client) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {}
        for piece in client.pieces():
            pairs = zip(rows_of(piece.possible_rows), ids_of(piece.possible_class_ids), strict=True)
            for row, class_id in pairs:
                found.setdefault(row, set()).add(class_id)
        return found

    def negatives(self, client: Client) -> set[tuple[int, int]]:
        (piece,) = client.pieces()
        rows, classes = rows_of(piece.negative_rows), ids_of(piece.negative_class_ids)
        return set(zip(rows, classes, strict=True))

    def test_an_image_of_a_parent_waits_to_be_told_of_which_child(self, client: Client) -> None:
        client.decide(BIRD, 1, 2)
        assert client.labels() == {}
        assert self.possible(client) == {1: {OWL, TIT}, 2: {OWL, TIT}}
        progress = client.progress()
        assert (progress.labelled, progress.pool, progress.decisions) == (0, ROWS, 1)
        assert not progress.labels_by_class

    def test_a_child_ends_the_waiting_and_undo_brings_it_back(self, client: Client) -> None:
        client.decide(BIRD, 1, 2)
        seq = client.decide(OWL, 1)
        assert client.labels() == {1: OWL}
        assert self.possible(client) == {2: {OWL, TIT}}
        client.undo(seq)
        assert self.possible(client) == {1: {OWL, TIT}, 2: {OWL, TIT}}

    def test_what_is_not_of_a_parent_is_not_of_its_children(self, client: Client) -> None:
        client.offer(page_message("p", [1, 2], kind=VERIFY, class_id=BIRD), total=ROWS)
        (lease,) = client.lease()
        client.submit(lease.token, said(BIRD, IS_NOT, 1), said(BIRD, IS, 2))
        assert self.negatives(client) == {(1, OWL), (1, TIT)}
        assert self.ask(client, OWL, 1, 2, 3) == [2, 3]

    def test_a_kick_of_a_child_is_remembered_beside_the_parent(self, client: Client) -> None:
        client.decide(BIRD, 1)
        client.offer(page_message("p", [1], kind=VERIFY, class_id=OWL), total=ROWS)
        (lease,) = client.lease()
        client.submit(lease.token, said(OWL, IS_NOT, 1))
        assert self.negatives(client) == {(1, OWL)}
        assert self.possible(client) == {1: {OWL, TIT}}
        assert self.ask(client, OWL, 1) == []
        assert self.ask(client, TIT, 1) == [1]

    def test_pages_ask_nothing_that_is_known(self, client: Client) -> None:
        client.decide(BIRD, 1)
        client.decide(OWL, 2)
        assert self.ask(client, BIRD, 1, 2, 3) == [3]
        assert self.ask(client, EEL, 1, 4) == [4]
        assert self.ask(client, FISH, 1, 5) == [5]

    def test_a_class_that_gets_children_is_open_again_until_it_loses_them(
        self, client: Client, store: ArtifactStore
    ) -> None:
        write_parents(store, {}, {})
        client.decide(BIRD, 1)
        assert client.labels() == {1: BIRD}
        write_parents(store, {OWL: BIRD}, {})
        assert client.labels() == {}
        assert self.possible(client) == {1: {OWL}}
        assert client.progress().labelled == 0
        write_parents(store, {OWL: BIRD}, {OWL: BIRD})
        assert client.labels() == {1: BIRD}
        assert client.progress().labelled == 1

    def test_deeper_classes_come_down_to_those_without_children(
        self, client: Client, store: ArtifactStore
    ) -> None:
        write_parents(store, {OWL: BIRD, TIT: OWL, EEL: OWL}, {FISH: BIRD})
        client.decide(FISH, 1)
        client.decide(OWL, 2)
        assert self.possible(client) == {1: {TIT, EEL}, 2: {TIT, EEL}}
        assert self.ask(client, OWL, 1, 2) == [1]
