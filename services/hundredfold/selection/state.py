"""The place of a loop: what is kept so that a restart goes on."""

import enum
from dataclasses import dataclass, field, replace
from typing import Any

from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.rounds import Phase

MOST_ROUNDS = 100
PARTS = ("fine-tuning", "negatives", "discovery", "planting", "cleaning", "stream")
"""What can be left out of a loop."""


class Step(enum.StrEnum):
    """What is being done to get a better space."""

    IDLE = "IDLE"
    TRAINING = "TRAINING"
    EMBEDDING = "EMBEDDING"
    CLUSTERING = "CLUSTERING"
    SWITCHING = "SWITCHING"


@dataclass(frozen=True)
class Comparison:
    """What two spaces are worth on held-out images.

    Attributes:
        accuracy_before: of a head on the space in use.
        accuracy_after: of one on the other.
        purity_before: of clusters of the space in use.
        purity_after: of those of the other.
        images: measured on.
        p_value: how likely the gain is by chance.
        better: whether the other is to be used.
    """

    accuracy_before: float = 0.0
    accuracy_after: float = 0.0
    purity_before: float = 0.0
    purity_after: float = 0.0
    images: int = 0
    p_value: float = 1.0
    better: bool = False

    def __str__(self) -> str:
        return (
            f"accuracy {self.accuracy_before:.3f} -> {self.accuracy_after:.3f}, "
            f"purity {self.purity_before:.3f} -> {self.purity_after:.3f} "
            f"(p = {self.p_value:.2f}) on {self.images} held-out images"
        )


@dataclass(frozen=True)
class Tuning:
    """Where the search for a better space stands.

    Attributes:
        step: what is being done.
        number: of this attempt, or of the last one, from 1; request ids are made of it.
        calls: of the present step that came to nothing, so that the next has another request id.
        before: the space to replace.
        after: the new one; empty until it is trained.
        labels: there were to learn from at its begin.
        labels_seq: the newest event then.
        began_at: Unix seconds.
        run: that is waited for; empty before the call.
        compared: what the new space is worth; None before it was measured.
        missing: images without a vector when the last EmbedCollection run had ended; -1 before.
        clusters: the Cluster run of the new space.
    """

    step: Step = Step.IDLE
    number: int = 0
    calls: int = 0
    before: str = ""
    after: str = ""
    labels: int = 0
    labels_seq: int = 0
    began_at: float = 0.0
    run: str = ""
    compared: Comparison | None = None
    missing: int = -1
    clusters: str = ""


@dataclass(frozen=True)
class BackboneRound:
    """One attempt at a better space; names as in the message of the same name."""

    before: str
    after: str
    labels_seq: int
    labels: int
    compared: Comparison
    promoted: bool
    reason: str
    seconds: float
    ended_at: float


@dataclass(frozen=True)
class Auditing:
    """Where the proof stands.

    Attributes:
        number: audits asked for so far; request ids are made of it.
        model: whose audit is being asked for; empty unless StartAudit is not known to have answered.
        sample: images that it is to draw.
        audit_id: that waits for answers, or the last one; empty when there was none.
        open: whether it waits for answers.
        wrong: images that were expected to be wrong when it was asked for, the trust in the head
            counted in, or as many as its sample said if that was more; 0 = the next need not wait for fewer.
        expected: how many of its sample the head expected to be wrong.
        evidence: of audits that failed: their id, errors found, and how many the head expected.
        look: audits for this target that the ledger has counted so far.
        people_error: share of people's labels taken to be wrong; -1 before an audit said it.
        short: images to be put right until an audit that did not pass does; 0 = there is none.
        certified: whether it has had its certificate; one that was undone is not written again.
        proved: share of all images that is proved to be right; 0 = no proof stands.
        lapsed: whether the proof covers the collection no more.
        total: images of the collection when it was proved.
        left: images that have needed an answer since, the fewest so far; -1 = not known yet.
    """

    number: int = 0
    model: str = ""
    sample: int = 0
    audit_id: str = ""
    open: bool = False
    wrong: float = 0.0
    expected: float = 0.0
    evidence: tuple[tuple[str, float, float], ...] = ()
    look: int = 0
    people_error: float = -1.0
    short: int = 0
    certified: bool = False
    proved: float = 0.0
    lapsed: bool = False
    total: int = 0
    left: int = -1


@dataclass(frozen=True)
class LoopState:
    """A loop, as it is kept in the store.

    Attributes:
        collection: of which.
        space: `name@version` of the backbone.
        expected_classes: 0 when nobody said.
        page_size: images a page.
        policy: how pages are chosen.
        seed: of random choices.
        request_id: of the StartLoop that gave these settings.
        target_accuracy: to be proved; 0 = none.
        confidence: of the proof.
        auto_label: whether the head labels the rest once it is proved.
        without: parts of the loop that are left out.
        clusters: the Cluster run of the seed pages; empty until there is one.
        clustering: the id of the Cluster run that is waited for; empty when none is.
        attempts: Cluster runs that were asked for in vain.
        seeded: whether the clusters only divide the space into regions: its people are past the seed.
        duplicates: the FindDuplicates run; empty when copies were not looked for.
        phase: where the loop stands.
        model: the head in use; empty before the first.
        seen_seq: the newest event that the queue takes into account.
        cleared_seq: the newest event after which people had labelled nothing.
        total: images to label.
        labelled: of them.
        rounds: so far, also those before it was started anew: page ids are made of it.
        expected_accuracy: share of all images expected to be right if the head labelled the rest.
        measured_accuracy: share of the random stream's images that the head predicts right.
        measured_images: of the stream that people labelled.
        discovery: where the search for unnamed classes stands.
        auditing: where the proof stands.
        tuning: where the search for a better space stands.
        backbone_rounds: what came of it so far.
    """

    collection: str
    space: str
    expected_classes: int
    page_size: int
    policy: str
    seed: int
    request_id: str
    target_accuracy: float = 0.0
    confidence: float = 0.95
    auto_label: bool = False
    without: tuple[str, ...] = ()
    clusters: str = ""
    clustering: str = ""
    attempts: int = 0
    seeded: bool = False
    duplicates: str = ""
    phase: Phase = Phase.PREPARING
    model: str = ""
    seen_seq: int = 0
    cleared_seq: int = 0
    total: int = 0
    labelled: int = 0
    rounds: int = 0
    expected_accuracy: float = 0.0
    measured_accuracy: float = 0.0
    measured_images: int = 0
    discovery: Discovery = field(default_factory=Discovery)
    auditing: Auditing = field(default_factory=Auditing)
    tuning: Tuning = field(default_factory=Tuning)
    backbone_rounds: tuple[BackboneRound, ...] = ()


def carried(state: LoopState, before: LoopState) -> LoopState:
    """New settings, with what goes on from those before."""
    same = before.target_accuracy == state.target_accuracy
    look = before.auditing.look if same else 0
    auditing = Auditing(number=before.auditing.number, look=look)
    wanted = (state.target_accuracy, state.confidence)
    proved = before.auditing.proved >= state.target_accuracy > 0
    if wanted == (before.target_accuracy, before.confidence) or (
        proved and state.confidence == before.confidence
    ):
        auditing = before.auditing
    return replace(
        state,
        rounds=before.rounds,
        cleared_seq=before.cleared_seq,
        seeded=before.seeded and before.space == state.space,
        auditing=auditing,
        tuning=before.tuning,
        backbone_rounds=before.backbone_rounds,
    )


def state_of(document: dict[str, Any]) -> LoopState:
    """The state that a JSON document was made of; TypeError, KeyError or ValueError when of none."""
    found = document["discovery"]
    parts: dict[str, Any] = {
        "phase": Phase(document["phase"]),
        "discovery": Discovery(tuple(found["rows"]), tuple(found["kicks"]), int(found["next_at"])),
        "without": tuple(document.get("without", ())),
        "auditing": _auditing(document.get("auditing", {})),
        "tuning": _tuning(document.get("tuning", {})),
        "backbone_rounds": tuple(_round(each) for each in document.get("backbone_rounds", ())),
    }
    return LoopState(**{**document, **parts})


def _auditing(document: dict[str, Any]) -> Auditing:
    evidence = tuple((str(a), float(b), float(c)) for a, b, c in document.get("evidence", ()))
    return Auditing(**{**document, "evidence": evidence})


def _tuning(document: dict[str, Any]) -> Tuning:
    compared = document.get("compared")
    parts = {
        "step": Step(document.get("step", Step.IDLE)),
        "compared": Comparison(**compared) if compared else None,
    }
    return Tuning(**{**document, **parts})


def _round(document: dict[str, Any]) -> BackboneRound:
    return BackboneRound(**{**document, "compared": Comparison(**document["compared"])})
