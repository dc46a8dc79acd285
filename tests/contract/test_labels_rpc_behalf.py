"""LabelsService: a service that says for whom it asks may do no more than that person."""

import pytest

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.errors import PermissionDenied
from tests.unit.labels.world import BIRDS, IS, OWL, Client, LabelsContract, new_id, said


class TestOnBehalf(LabelsContract):
    @pytest.fixture
    def token(self, client: Client) -> int:
        client.offer_rows([1])
        (lease,) = client.lease("ann")
        return int(lease.token)

    def renewed(self, client: Client, token: int, annotator: str) -> list[int]:
        request = labels_pb2.RenewLeasesRequest(
            collection=BIRDS, tokens=[token], annotator=annotator
        )
        return list(client.stub.RenewLeases(request).tokens)

    def test_only_who_holds_a_page_answers_it(self, client: Client, token: int) -> None:
        with pytest.raises(PermissionDenied):
            client.submit(token, said(OWL, IS, 1), annotator="bob")
        assert client.labels() == {}
        assert client.submit(token, said(OWL, IS, 1), annotator="ann").seq

    def test_a_service_that_names_nobody_answers_for_whoever_holds_it(
        self, client: Client, token: int
    ) -> None:
        assert client.submit(token, said(OWL, IS, 1)).seq
        assert client.events()[0].actor == "ann"

    def test_only_who_holds_a_page_renews_it_or_gives_it_back(
        self, client: Client, token: int
    ) -> None:
        release = labels_pb2.ReleaseLeasesRequest(collection=BIRDS, tokens=[token], annotator="bob")
        client.stub.ReleaseLeases(release)
        assert self.renewed(client, token, "bob") == []
        assert self.renewed(client, token, "ann") == [token]
        release.annotator = "ann"
        client.stub.ReleaseLeases(release)
        assert self.renewed(client, token, "ann") == []

    def test_only_his_own_decision_is_taken_back_where_that_was_asked(self, client: Client) -> None:
        seq = client.decide(OWL, 1, annotator="ann")
        with pytest.raises(PermissionDenied):
            client.undo(seq, annotator="bob", only_own=True)
        many = labels_pb2.UndoManyRequest(
            collection=BIRDS,
            request_id=new_id(),
            annotator="bob",
            selection=labels_pb2.Selection(seqs=[seq]),
            only_own=True,
        )
        with pytest.raises(PermissionDenied):
            client.stub.UndoMany(many)
        assert client.labels() == {1: OWL}
        client.undo(seq, annotator="ann", only_own=True)
        assert client.labels() == {}
