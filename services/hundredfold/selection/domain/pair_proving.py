"""Where an image may be of several classes: which classes are proved, and which is to be audited next.

An audit is of one class: of the images of which nobody knows whether they are of it, as many are drawn at
random as make a bound on the wrong yes and no of the head. What ledger and head say is all there is to
know; nothing is remembered but what was expected when an audit was drawn.

Heads expect too much wrong of what nobody was asked about: pages are of what they doubt, and what they never
doubted is easier than what looks like it. So what they expect is taken times a ratio, `CAUTIOUS` at first, that
the audits of all classes correct.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hundredfold.selection.domain.pair_pool import ClassStanding
from hundredfold.selection.domain.pair_rounds import LEAST
from hundredfold.selection.domain.stopping import may_look_again

CAUTIOUS = 0.6
"""Wrong ones for each that a head expects, before an audit has told."""

_WEIGHT = 8.0  # wrong ones expected that this counts as much as

_FEW_PAGES = 2
_ROUNDING = 1e-6
_ANSWERED = ("PASSED", "CERTIFIED", "FAILED")


@dataclass(frozen=True)
class ClassAudit:
    """The newest audit of a class.

    Attributes:
        class_id: which.
        audit_id: of the audit.
        state: OPEN, PASSED, FAILED, CERTIFIED or ABANDONED.
        bound: on the share of images for which the yes or no of the class is wrong.
        total: images there were.
        population: of them those of which nobody knew.
        sample: of these those that were drawn and answered about.
        errors: of these the wrong ones.
        looks: audits of the class so far, this one counted.
        look: its number among those that spend of the same confidence.
    """

    class_id: int
    audit_id: str
    state: str
    bound: float
    total: int
    population: int = 0
    sample: int = 0
    errors: int = 0
    looks: int = 1
    look: int = 1

    def is_enough(self, target: float) -> bool:
        """Whether its bound proves a target."""
        return self.bound <= 1 - target + _ROUNDING


@dataclass(frozen=True)
class Proofs:
    """Where the proof of each class stands.

    Attributes:
        newest: class -> its newest audit.
        last: the newest audit of all; empty when there was none.
        target: share of all images that must be right, for each class; 0 = nothing is to be proved.
        images: there are.
        auto_label: whether a certificate makes the head's yes and no stand.
    """

    newest: Mapping[int, ClassAudit] = field(default_factory=dict)
    last: str = ""
    target: float = 0.0
    images: int = 0
    auto_label: bool = False

    @property
    def open(self) -> ClassAudit | None:
        """The audit that waits for answers."""
        return next((each for each in self.newest.values() if each.state == "OPEN"), None)

    def is_proved(self, standing: ClassStanding) -> bool:
        """Whether a certificate covers a class as it is: no image came since, and none is open again."""
        audit = self.newest.get(standing.class_id)
        if audit is None or audit.state != "CERTIFIED" or not self.target:
            return False
        covers = audit.total >= self.images and not (self.auto_label and _unknown(standing))
        return covers and audit.is_enough(self.target)

    def closed(self, classes: Sequence[ClassStanding]) -> frozenset[int]:
        """The classes that are not asked about: proved, or soon to be by an audit."""
        proved = {each.class_id for each in classes if self.is_proved(each)}
        return frozenset(proved | ({self.open.class_id} if self.open else set()))

    def accuracy(self, classes: Sequence[ClassStanding]) -> float:
        """The share of all images that is proved to be right, for each class that some image is known to be of; 0 = none.

        A class of which everything is known by answers counts as right, as far as people are; what an older
        certificate of less says is no answer.
        """
        proved = [each for each in classes if self.is_proved(each)]
        if not proved or any(
            each.yes and _unanswered(each) and not self.is_proved(each) for each in classes
        ):
            return 0.0
        return 1 - max(self.newest[each.class_id].bound for each in proved)

    def ratio(self, wrong_then: Mapping[int, float]) -> float:
        """Wrong ones for each that heads expect, by the newest audits of all classes.

        Args:
            wrong_then: class -> images expected to be wrong when it was audited last.
        """
        wrong, expected = CAUTIOUS * _WEIGHT, _WEIGHT
        for class_id, audit in self.newest.items():
            if audit.state in _ANSWERED and audit.population:
                wrong += audit.errors
                expected += wrong_then.get(class_id, 0.0) * audit.sample / audit.population
        return wrong / expected

    def due(
        self,
        classes: Sequence[ClassStanding],
        known_to_head: Mapping[int, float],
        wrong_then: Mapping[int, float],
        page_size: int,
    ) -> ClassStanding | None:
        """The class to audit now, the surest first; None while none is ready or one is being audited.

        Args:
            classes: where each stands.
            known_to_head: the classes that a head can tell.
            wrong_then: class -> images expected to be wrong when it was audited last.
            page_size: images a page.
        """
        if not self.target or self.open:
            return None
        allowed, ratio = (1 - self.target) * self.images, self.ratio(wrong_then)

        def ready(each: ClassStanding) -> bool:
            left = _unanswered(each)
            if each.class_id not in known_to_head or not left or self.is_proved(each):
                return False
            nothing_to_ask = not (each.pool.probability >= LEAST).any()
            if nothing_to_ask or left <= _FEW_PAGES * page_size:
                return True
            wrong = ratio * each.expected_wrong + each.aside
            again = may_look_again(each.expected_wrong, wrong_then.get(each.class_id, 0.0))
            return wrong <= allowed and again

        able = [each for each in classes if ready(each)]
        return min(able, key=lambda each: each.expected_wrong, default=None)


def _unknown(standing: ClassStanding) -> int:
    """Images of which nobody knows whether they are of a class."""
    return len(standing.pool) + standing.rest


def _unanswered(standing: ClassStanding) -> int:
    """These, and those of which a certificate alone says it: what an audit is drawn from."""
    return _unknown(standing) + standing.certified
