"""LabelsService: flags, and events listed by what they are."""

from pathlib import Path
from typing import Any

import pytest

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.client import connect
from hundredfold.chassis.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from hundredfold.chassis.paging import encode_token
from hundredfold.chassis.testing import running
from hundredfold.labels.__main__ import Assembled
from hundredfold.labels.config import LabelsConfig
from tests.unit.labels.review_world import (
    DECISION,
    FLAG,
    UNDO,
    UNDO_MANY,
    UNFLAG,
    flag,
    flags,
    resolve,
    undo_many,
)
from tests.unit.labels.servers import RedisServer
from tests.unit.labels.world import (
    BIRDS,
    OWL,
    ROWS,
    TIT,
    Client,
    Clock,
    LabelsContract,
    config_for,
    new_id,
    rows_of,
    token_file,
)


class TestFlags(LabelsContract):
    def test_a_flag_says_who_when_what_and_why_and_gives_no_label(
        self, client: Client, clock: Clock
    ) -> None:
        seq = flag(client, [5, 3], " two birds\nin one? ")
        (told,) = flags(client).flags
        assert (told.seq, told.actor, told.created_at) == (seq, "ann", clock.now)
        assert rows_of(told.rows) == [5, 3]
        assert told.comment == "two birds\nin one?"
        assert told.resolved_seq == 0
        assert client.labels() == {}
        assert client.progress().decisions == 0

    def test_markup_stays_the_text_it_is(self, client: Client) -> None:
        flag(client, [1], "<img src=x onerror=alert(1)>")
        (told,) = flags(client).flags
        assert told.comment == "<img src=x onerror=alert(1)>"

    def test_a_flag_that_is_done_with_says_by_whom(self, client: Client, clock: Clock) -> None:
        first, second = flag(client, [1]), flag(client, [2])
        clock.advance(60)
        done = resolve(client, first, annotator="rev", comment="relabelled")
        assert [each.seq for each in flags(client, open_only=True).flags] == [second]
        newest, oldest = flags(client).flags
        assert (newest.seq, newest.resolved_seq) == (second, 0)
        assert (oldest.resolved_seq, oldest.resolved_by) == (done, "rev")
        assert (oldest.resolved_at, oldest.answer) == (clock.now, "relabelled")
        assert flags(client).open == 1
        again = resolve(client, first, annotator="eve")
        assert again > done
        assert flags(client).flags[1].resolved_by == "rev"

    def test_each_write_is_done_once(self, client: Client) -> None:
        request_id = new_id()
        seq = flag(client, [1], "why", request_id=request_id)
        assert flag(client, [1], "why", request_id=request_id) == seq
        with pytest.raises(AlreadyExists):
            flag(client, [2], "why", request_id=request_id)
        request_id = new_id()
        done = resolve(client, seq, request_id=request_id)
        assert resolve(client, seq, request_id=request_id) == done
        with pytest.raises(AlreadyExists):
            resolve(client, seq, request_id=request_id, comment="no")

    def test_what_is_no_flag_is_not_found(self, client: Client) -> None:
        seq = client.decide(OWL, 1)
        for wrong in (seq, 99, -1):
            with pytest.raises(NotFound):
                resolve(client, wrong)

    def test_a_clear_ends_them_and_undoing_it_brings_them_back(self, client: Client) -> None:
        flag(client, [1])
        request = labels_pb2.ClearLabelsRequest(collection=BIRDS, request_id=new_id())
        seq = client.stub.ClearLabels(request).seq
        assert not flags(client).flags
        client.undo(seq)
        assert len(flags(client).flags) == 1

    def test_a_flag_is_resolved_not_undone(self, client: Client) -> None:
        seq = flag(client, [1])
        for each in (seq, resolve(client, seq)):
            with pytest.raises(Conflict) as told:
                client.undo(each)
            assert told.value.reason == "IS_FLAG"

    def test_they_come_in_pages(self, client: Client) -> None:
        seqs = [flag(client, [row]) for row in range(5)]
        first = flags(client, page_size=3)
        rest = flags(client, page_size=3, page_token=first.next_page_token)
        assert [each.seq for each in (*first.flags, *rest.flags)] == seqs[::-1]
        assert (first.open, rest.next_page_token) == (5, "")

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"rows": []}, "rows"),
            ({"rows": [1, 1]}, "rows"),
            ({"rows": [ROWS]}, "rows"),
            ({"rows": list(range(1025))}, "rows"),
            ({"comment": "x" * 1001}, "comment"),
            ({"comment": "a\0b"}, "comment"),
            ({"request_id": ""}, "request_id"),
        ],
    )
    def test_bounds(self, client: Client, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidArgument) as told:
            flag(client, fields.pop("rows", [1]), **fields)
        assert told.value.field == field

    def test_bounds_of_what_resolves_and_lists(self, client: Client) -> None:
        for seqs, field in (((), "seqs"), (range(1001), "seqs")):
            with pytest.raises(InvalidArgument) as told:
                resolve(client, *seqs)
            assert told.value.field == field
        for name, value in (("page_size", -1), ("page_token", encode_token("x"))):
            with pytest.raises(InvalidArgument) as told:
                flags(client, **{name: value})
            assert told.value.field == name


class TestListDecisions(LabelsContract):
    def seqs(self, client: Client, **fields: Any) -> list[int]:
        return [event.seq for event in client.events(**fields)]

    def test_events_are_listed_by_who_what_and_when(self, client: Client, clock: Clock) -> None:
        client.decide(OWL, 1)
        clock.advance(10)
        client.decide(TIT, 2, annotator="bob")
        clock.advance(10)
        client.undo()
        flag(client, [3])
        now = clock.now
        assert self.seqs(client, newest_first=True) == [4, 3, 2, 1]
        assert self.seqs(client, actor="bob") == [2]
        assert self.seqs(client, kinds=[DECISION]) == [1, 2]
        assert self.seqs(client, kinds=[UNDO, FLAG], newest_first=True) == [4, 3]
        assert self.seqs(client, since=now - 10) == [2, 3, 4]
        assert self.seqs(client, until=now - 10) == [1]
        assert self.seqs(client, since=now - 10, until=now) == [2]
        assert self.seqs(client, actor="ann", kinds=[DECISION], newest_first=True) == [1]
        assert self.seqs(client, after_seq=2, newest_first=True) == [4, 3]

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_they_come_in_pages(self, client: Client, newest_first: bool) -> None:
        for row in range(5):
            client.decide(OWL, row)
        found: list[int] = []
        token = ""
        while True:
            request = labels_pb2.ListDecisionsRequest(
                collection=BIRDS,
                page_size=2,
                page_token=token,
                newest_first=newest_first,
                kinds=[DECISION],
            )
            answer = client.stub.ListDecisions(request)
            found += [event.seq for event in answer.events]
            token = answer.next_page_token
            if not token:
                break
        assert found == sorted(range(1, 6), reverse=newest_first)

    def test_each_says_whether_it_counts(self, client: Client) -> None:
        client.decide(OWL, 1)
        client.decide(OWL, 2)
        client.decide(OWL, 3)
        client.undo(2)
        many = undo_many(client, seqs=[3])
        counts = {event.seq: event.counts for event in client.events()}
        assert counts == {1: True, 2: False, 3: False, 4: False, many.seq: True}
        client.undo(many.seq)
        counts = {event.seq: event.counts for event in client.events(newest_first=True)}
        assert counts == {1: True, 2: False, 3: True, 4: False, many.seq: False, 6: False}

    def test_what_an_event_is_about_is_told(self, client: Client) -> None:
        client.decide(OWL, 1, annotator="bob")
        seq = flag(client, [7, 8], "which?")
        resolve(client, seq, comment="that")
        undo_many(client, actor="bob", kinds=[DECISION])
        undone, unflag, flagged, decided = client.events(newest_first=True)
        assert (undone.kind, undone.undone_events) == (UNDO_MANY, 1)
        assert (undone.selection.actor, list(undone.selection.kinds)) == ("bob", [DECISION])
        assert (unflag.kind, unflag.comment, list(unflag.flag_seqs)) == (UNFLAG, "that", [seq])
        assert (flagged.kind, flagged.comment) == (FLAG, "which?")
        assert rows_of(flagged.flagged_rows) == [7, 8]
        assert not decided.HasField("selection")
        assert not decided.HasField("flagged_rows")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("kinds", [99]),
            ("kinds", [0]),
            ("since", -1.0),
            ("since", float("nan")),
            ("until", 1e30),
            ("actor", "x" * 129),
            ("page_size", -1),
        ],
    )
    def test_bounds(self, client: Client, field: str, value: Any) -> None:
        with pytest.raises(InvalidArgument) as told:
            client.events(**{field: value})
        assert told.value.field == field


class TestWhoMay(LabelsContract):
    @pytest.fixture
    def tokens(self, tmp_path: Path) -> dict[str, str]:
        roles = {"viv": "viewer", "ann": "labeler", "bob": "labeler", "rev": "reviewer"}
        return token_file(tmp_path, **roles, selection="service")

    @pytest.fixture
    def config(self, tmp_path: Path, redis: RedisServer, tokens: dict[str, str]) -> LabelsConfig:
        return config_for(tmp_path, redis.url, tokens=tokens["path"])

    @pytest.fixture
    def people(self, assembled: Assembled, config: LabelsConfig, tokens: dict[str, str]) -> Any:
        names = [each for each in tokens if each != "path"]
        with running(*assembled.mounts, config=config) as server:
            channels = {name: connect(server.address, token=tokens[name]) for name in names}
            yield {name: Client(channel) for name, channel in channels.items()}
            for channel in channels.values():
                channel.close()

    def test_a_labeler_may_only_take_back_what_is_his(self, people: Any) -> None:
        people["selection"].decide(OWL, 1, annotator="ann")
        people["selection"].decide(OWL, 2, annotator="bob")
        with pytest.raises(PermissionDenied):
            undo_many(people["ann"], seqs=[1, 2])
        with pytest.raises(PermissionDenied):
            undo_many(people["ann"], kinds=[DECISION])
        assert undo_many(people["ann"], actor="ann").events == 1
        assert undo_many(people["rev"], kinds=[DECISION]).events == 1
        events = people["viv"].events(kinds=[UNDO_MANY])
        assert [each.actor for each in events] == ["ann", "rev"]

    def test_a_labeler_may_only_resolve_what_is_his(self, people: Any) -> None:
        mine, theirs = flag(people["ann"], [1]), flag(people["bob"], [2])
        resolve(people["ann"], mine)
        with pytest.raises(PermissionDenied):
            resolve(people["ann"], theirs)
        resolve(people["rev"], theirs)
        assert flags(people["viv"]).open == 0

    def test_a_viewer_writes_nothing(self, people: Any) -> None:
        for call in (
            lambda who: flag(who, [1]),
            lambda who: resolve(who, 1),
            lambda who: undo_many(who, seqs=[1]),
        ):
            with pytest.raises(PermissionDenied):
                call(people["viv"])
