"""Any order of leases, answers, undos, ends of leases, crashes and losses of the queue keeps the promises.

The numbers of the promises (L1, L3 to L8, L10) are those of the rules for a ledger under chaos:
each acknowledged answer once, none without a question, tokens that grow, no image in two leases, every
image counted once, a fold that is the same after a crash, snapshots that equal the fold.
"""

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis as redis_client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hundredfold.chassis.errors import Conflict, NotFound
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.labels.answers import Answers, Asker, Decision
from hundredfold.labels.auditing import Auditor
from hundredfold.labels.audits import Audits
from hundredfold.labels.domain.audit import Audit, AuditState
from hundredfold.labels.domain.event import Event, EventKind, Judgement, Verdict
from hundredfold.labels.domain.page import Lease, Page, PageKind
from hundredfold.labels.drawing import Wanted
from hundredfold.labels.late import Late
from hundredfold.labels.leasing import Leasing
from hundredfold.labels.ledger import Ledger
from hundredfold.labels.store.audits import AuditStore
from hundredfold.labels.store.catalog import Catalog
from hundredfold.labels.store.database import open_database
from hundredfold.labels.store.pairs import JudgedPairs
from hundredfold.labels.store.queue import Queue
from hundredfold.labels.store.records import Records
from hundredfold.labels.store.snapshots import Snapshots
from tests.unit.labels.audit_world import HEAD, halves, write_predictions
from tests.unit.labels.plain_fold import agrees
from tests.unit.labels.servers import redis_server
from tests.unit.labels.world import BIRDS, OWL, TIT, Clock, make_collection

ROWS = 12
SNAPSHOT_EVERY = 4
BACK = (0, 0, 1, 2, 5, 9)
PEOPLE = st.sampled_from(["ann", "bob"])


class Machine(RuleBasedStateMachine):
    """The service without gRPC, on SQLite and a real Redis, with a clock of its own."""

    redis_url = ""
    leases: Bundle[Lease] = Bundle("leases")
    answered: Bundle[tuple[Decision, str, int]] = Bundle("answered")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hf-machine-"))
        self.clock = Clock()
        self.store = ArtifactStore(str(self.folder))
        make_collection(self.store, rows=ROWS)
        write_predictions(self.store, halves(ROWS))
        self.wipe()
        self.start()
        self.offered = 0
        self.requests = 0
        self.held: dict[int, Lease] = {}
        self.ran_out: set[int] = set()
        self.tokens: list[int] = []
        self.acknowledged: dict[str, int] = {}
        self.asked: set[str] = set()

    def start(self) -> None:
        self.records = Records(
            open_database(f"sqlite:///{self.folder}/labels.sqlite3", clock=self.clock)
        )
        self.queue = Queue(self.redis_url)
        catalog, snapshots = Catalog(self.store), Snapshots(self.store)
        judged = JudgedPairs(self.store)
        self.ledger = Ledger(
            self.records, snapshots, catalog, judged, snapshot_every=SNAPSHOT_EVERY
        )
        drawn = AuditStore(self.store)
        self.audits = Audits(self.ledger, drawn)
        self.auditor = Auditor(self.ledger, self.audits, drawn)
        self.leasing = Leasing(self.ledger, self.queue, self.audits)
        self.answers = Answers(self.ledger, Late(self.ledger, self.audits))

    def teardown(self) -> None:
        if hasattr(self, "records"):
            self.close()
            shutil.rmtree(self.folder)

    def close(self) -> None:
        self.records.close()
        self.queue.close()

    def new_id(self) -> str:
        """The same ones in each replay: what an audit draws follows from the id of its request."""
        self.requests += 1
        return f"request-{self.requests}"

    def events(self) -> list[Event]:
        with self.records.reading(BIRDS) as reading:
            return reading.events(0, 10_000)

    @rule(
        rows=st.lists(st.sets(st.integers(0, ROWS - 1), min_size=1, max_size=5), max_size=3),
        verify=st.booleans(),
        replace=st.booleans(),
        score=st.integers(0, 5),
    )
    def offer(self, rows: list[set[int]], verify: bool, replace: bool, score: int) -> None:
        kind = PageKind.VERIFY if verify else PageKind.CLUSTER
        pages = [
            Page(f"p{self.offered + number}", kind, np.array(sorted(each)), OWL, score=score)
            for number, each in enumerate(rows)
        ]
        self.offered += len(rows)
        self.leasing.offer(BIRDS, pages, replace=replace, total=ROWS)

    @precondition(lambda self: self.queue.rows(BIRDS)[0])
    @rule(target=leases, who=PEOPLE, limit=st.integers(1, 3))
    def lease(self, who: str, limit: int) -> Any:
        return multiple(*map(self.got, self.leasing.lease(BIRDS, who, limit, 60)))

    def got(self, lease: Lease) -> Lease:
        rows = set(lease.page.rows.tolist())
        with self.ledger.fold(BIRDS) as fold:
            done = fold.by_people if lease.page.audit_id else fold.done
            assert not done(lease.page.rows).any(), "a labelled image is leased"
        for other in self.held.values():
            assert not rows & set(other.page.rows.tolist()), "L6: an image is in two leases"
        assert not self.tokens or lease.token > max(self.tokens), "L5: tokens grow"
        self.tokens.append(lease.token)
        self.held[lease.token] = lease
        return lease

    @rule(target=answered, lease=leases, verdicts=st.lists(st.integers(0, 4), min_size=5))
    def submit(self, lease: Lease, verdicts: list[int]) -> Any:
        """Of a lease that may have ended long ago."""
        said = judgements(lease, verdicts)
        decision = Decision(self.new_id(), lease.token, said, 1.5)
        self.asked.add(decision.request_id)
        asker = Asker(lease.annotator)
        if lease.token not in self.held:
            return self.submit_late(lease, decision)
        taken = self.answers.submit(BIRDS, asker, decision)
        assert (taken.replayed, taken.left_out.size) == (False, 0)
        del self.held[lease.token]
        self.acknowledged[decision.request_id] = taken.seq
        return decision, lease.annotator, taken.seq

    def submit_late(self, lease: Lease, decision: Decision) -> Any:
        """What nobody else has or has answered is taken, once; of a lease that ran out, not of one given back."""
        judged = np.concatenate([each.rows for each in decision.judgements])
        with self.ledger.fold(BIRDS) as fold:
            done = fold.by_people if lease.page.audit_id else fold.done
            free = set(judged[~done(judged)].tolist())
        free -= {row for other in self.held.values() for row in other.page.rows.tolist()}
        if not lease.page.audit_id:
            free -= set(self.audits.open_rows(BIRDS)[0].tolist())
        try:
            taken = self.answers.submit(BIRDS, Asker(lease.annotator), decision)
        except Conflict:
            plain = lease.page.kind is PageKind.CLUSTER
            assert not (free and plain and lease.token in self.ran_out), "an answer is lost"
            return multiple()
        assert lease.token in self.ran_out, "a second answer, or to what was given back"
        self.ran_out.remove(lease.token)
        said = set(judged.tolist()) - set(taken.left_out.tolist())
        assert said <= free, "an image is decided twice"
        self.acknowledged[decision.request_id] = taken.seq
        return decision, lease.annotator, taken.seq

    @rule(what=answered)
    def submit_again(self, what: tuple[Decision, str, int]) -> None:
        decision, who, seq = what
        taken = self.answers.submit(BIRDS, Asker(who), decision)
        assert (taken.seq, taken.replayed) == (seq, True)

    @rule(target=leases, who=PEOPLE, again=st.booleans(), back=st.integers(0, 3))
    def undo(self, who: str, again: bool, back: int) -> Any:
        asker = Asker(who, may_review=back > 0)
        request_id = self.new_id()
        seq = len(self.events()) - back if back else 0
        try:
            undone = self.answers.undo(BIRDS, asker, request_id, max(0, seq), lease_again=again)
        except (NotFound, Conflict):
            return multiple()
        self.asked.add(request_id)
        self.acknowledged[request_id] = undone.seq
        lease = undone.lease
        if lease is None:
            return multiple()
        for other in self.held.values():
            assert not np.isin(lease.page.rows, other.page.rows).any(), "L6"
        assert lease.token > max(self.tokens), "L5"
        self.tokens.append(lease.token)
        self.held[lease.token] = lease
        return lease

    @rule(
        target=answered,
        who=PEOPLE,
        rows=st.sets(st.integers(0, ROWS - 1), min_size=1, max_size=5),
        verdicts=st.lists(st.integers(0, 4), min_size=5),
    )
    def label(self, who: str, rows: set[int], verdicts: list[int]) -> Any:
        """A page from the queue to the ledger without anything in between."""
        self.offer([rows], verify=False, replace=True, score=9)
        leases = [self.got(each) for each in self.leasing.lease(BIRDS, who, 1, 60)]
        return multiple(*(self.submit(each, verdicts) for each in leases))

    @precondition(lambda self: self.leasing.progress(BIRDS).decisions > 3)
    @rule()
    def clear(self) -> None:
        request_id = self.new_id()
        self.asked.add(request_id)
        self.acknowledged[request_id] = self.answers.clear(BIRDS, Asker("ann"), request_id, "")

    @rule(sample=st.integers(1, ROWS))
    def audit(self, sample: int) -> None:
        request_id = self.new_id()
        wanted = Wanted(HEAD, "", 0, 0.4, 0.5, sample, by_class=False, find_threshold=False)
        try:
            audit = self.auditor.start(BIRDS, Asker("ann"), request_id, wanted)
        except Conflict:
            return
        self.leasing.show_audit(BIRDS)
        self.asked.add(request_id)
        self.acknowledged[request_id] = audit.seq

    @precondition(lambda self: self.newest() is not None)
    @rule()
    def certify(self) -> None:
        newest, request_id = self.newest(), self.new_id()
        assert newest is not None
        audit_id = newest.plan.audit_id
        if newest.state not in (AuditState.PASSED, AuditState.CERTIFIED):
            with pytest.raises(Conflict):
                self.auditor.certify(BIRDS, Asker("ann"), request_id, audit_id, auto_label=True)
            return
        done = self.auditor.certify(BIRDS, Asker("ann"), request_id, audit_id, auto_label=True)
        self.asked.add(request_id)
        self.acknowledged[request_id] = done.seq

    def newest(self) -> Audit | None:
        with self.records.reading(BIRDS) as reading:
            return self.audits.find(reading, "")

    @rule(lease=consumes(leases))
    def release(self, lease: Lease) -> None:
        self.leasing.release(BIRDS, Asker(lease.annotator), [lease.token])
        self.held.pop(lease.token, None)

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        held, _ = self.leasing.renew(BIRDS, Asker(lease.annotator), [lease.token], 60)
        assert held == ([lease.token] if lease.token in self.held else [])

    @rule(seconds=st.sampled_from([10, 61]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def sweep(self) -> None:
        self.leasing.sweep()
        with self.records.reading(BIRDS) as reading:
            active = {lease.token for lease in reading.active_leases()}
        assert active <= self.held.keys()
        self.ran_out |= self.held.keys() - active
        self.held = {token: self.held[token] for token in active}

    @rule()
    def follow(self) -> None:
        self.ledger.follow()

    @rule()
    def crash(self) -> None:
        """A process that knows nothing but what is on disk goes on as before (L8)."""
        with self.ledger.fold(BIRDS) as fold:
            before = fold.state()
        self.close()
        self.start()
        with self.ledger.fold(BIRDS) as fold:
            assert fold.state().same_as(before)

    @rule()
    def wipe(self) -> None:
        with redis_client.Redis.from_url(self.redis_url) as inside:
            inside.flushall()

    @rule()
    def reconcile(self) -> None:
        self.leasing.reconcile(BIRDS)
        self.sweep()
        rows = np.concatenate(
            [page.rows for page in self.queue.waiting(BIRDS)] + [np.empty(0, int)]
        )
        assert len(set(rows.tolist())) == len(rows), "an image waits on two pages"
        with self.ledger.fold(BIRDS) as fold, self.records.reading(BIRDS) as reading:
            assert not fold.by_people(rows).any()
            assert not np.isin(rows, reading.leased()).any()
            audited = self.audits.pages(reading)
            # An audit asks about what a certificate has labelled, which counts as labelled.
            ready = int((~fold.done(rows)).sum())
        assert {row for page in audited for row in page.rows.tolist()} <= set(rows.tolist())
        assert self.leasing.progress(BIRDS).ready == ready

    @invariant()
    def promises(self) -> None:
        events = self.events()
        written = {event.request_id: event.seq for event in events}
        assert self.acknowledged == written, "L1: acknowledged once each; L3: nothing else"
        answered = [event.token for event in events if event.kind is EventKind.DECISION]
        assert len(set(answered)) == len(answered), "L4: a lease is answered once"
        assert agrees(self.ledger.labels(BIRDS), events), "the fold is what the events come to"
        progress = self.leasing.progress(BIRDS)
        assert progress.labelled + progress.unsure + progress.leased + progress.ready + (
            progress.pool
        ) == max(progress.total, 0), "L7"
        with self.records.reading(BIRDS) as reading:
            leased = reading.leased().tolist()
        assert sorted(leased) == sorted(
            row for lease in self.held.values() for row in lease.page.rows.tolist()
        ), "L6: the rows of the leases, each once"
        for state, _ in Snapshots(self.store).newest_first(BIRDS):
            assert agrees(state.labels(), events[: state.seq]), "L10"


def judgements(lease: Lease, verdicts: list[int]) -> tuple[Judgement, ...]:
    """0 and 1: is an owl; 2: no owl; 3: unsure; 4: nothing said."""
    what = np.array((verdicts * len(lease.page.rows))[: len(lease.page.rows)])
    rows = lease.page.rows
    return (
        Judgement(OWL, Verdict.IS, rows[what == 0]),
        Judgement(TIT, Verdict.IS, rows[what == 1]),
        Judgement(OWL, Verdict.IS_NOT, rows[what == 2]),
        Judgement(0, Verdict.UNSURE, rows[what == 3]),
    )


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as server:
        Machine.redis_url = server.url
        yield server.url


def test_any_order_of_what_can_happen_keeps_the_promises(redis_url: str) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_long_life_keeps_the_promises(redis_url: str, seed: int) -> None:
    """Denser than what hypothesis draws: most steps label or take back."""
    dice = random.Random(seed)  # noqa: S311  a seed makes it repeatable
    machine = Machine()
    machine.begin()
    leases: list[Lease] = []
    answered: list[tuple[Decision, str, int]] = []

    def lease() -> None:
        found = machine.leasing.lease(BIRDS, dice.choice(["ann", "bob"]), dice.randint(1, 3), 60)
        leases.extend(map(machine.got, found))

    def submit() -> None:
        found = machine.submit(dice.choice(leases), dice.choices(range(5), k=5)) if leases else 0
        answered.extend([found] if isinstance(found, tuple) else [])

    def undo() -> None:
        found = machine.undo(dice.choice(["ann", "bob"]), dice.random() < 0.5, dice.choice(BACK))
        leases.extend([found] if isinstance(found, Lease) else [])

    def offer() -> None:
        pages = [set(dice.sample(range(ROWS), dice.randint(1, 5))) for _ in range(2)]
        machine.offer(pages, dice.random() < 0.5, dice.random() < 0.3, dice.randint(0, 5))

    steps = {
        lease: 8,
        submit: 10,
        undo: 6,
        offer: 5,
        lambda: answered and machine.submit_again(dice.choice(answered)): 1,
        lambda: leases and machine.release(dice.choice(leases)): 1,
        lambda: leases and machine.renew(dice.choice(leases)): 1,
        lambda: machine.time_passes(20): 2,
        lambda: dice.random() < 0.2 and machine.clear(): 1,
        machine.sweep: 2,
        machine.follow: 2,
        machine.crash: 1,
        machine.wipe: 1,
        machine.reconcile: 1,
        lambda: machine.audit(dice.randint(1, ROWS)): 2,
        lambda: machine.newest() and machine.certify(): 2,
    }
    for _ in range(150):
        dice.choices(list(steps), list(steps.values()))[0]()
        machine.promises()
    machine.teardown()
