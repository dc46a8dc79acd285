"""What is left to do: the work until a target, and how good the labels are by now."""

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import Conflict
from hundredfold.selection.audits import LATE, Audits
from hundredfold.selection.domain import forecast
from hundredfold.selection.domain.forecast import Forecast
from hundredfold.selection.domain.rounds import Phase
from hundredfold.selection.peers import Ledger
from hundredfold.selection.seen import Seen
from hundredfold.selection.state import LoopState

_TARGET = 0.95


class Outlook:
    """The forecasts of one loop. Safe for threads.

    Args:
        audits: of the loop.
        ledger: that knows how fast people are.
        costs: of a person's actions.
    """

    def __init__(self, audits: Audits, ledger: Ledger, costs: CostModel) -> None:
        self._audits = audits
        self._ledger = ledger
        self._costs = costs

    def forecast(self, state: LoopState, seen: Seen, target: float) -> Forecast:
        """The work until a target (0 = the loop's, or 0.95), at the pace of the people so far.

        Where the loop has a target that is proved, with the audits that it takes.

        Raises:
            Conflict: NO_HEAD; SEEDING, clusters wait to be named.
            Unavailable: the ledger is away.
        """
        if not seen.standing.pool.model and len(seen.standing.pool):
            raise Conflict(f"{state.collection} has no head yet", reason="NO_HEAD")
        if state.phase is Phase.SEED:
            # A head that knows one class of ten is sure of everything.
            raise Conflict("clusters wait to be named; ask again after them", reason="SEEDING")
        return self._work(state, seen, target)

    def seconds(self, state: LoopState, seen: Seen) -> tuple[float, float]:
        """Human seconds so far, and those expected until the loop's target."""
        expected = self._work(state, seen, 0.0).seconds
        return self._ledger.progress(state.collection).human_seconds, expected

    def accuracy(self, seen: Seen, phase: Phase) -> float:
        """The share of right labels if the head in use labelled the rest; 0 while clusters are named."""
        if phase is Phase.SEED:
            return 0.0
        known = seen.known
        return forecast.accuracy(known.pool, known.far(), self._audits.belief(known))

    def _work(self, state: LoopState, seen: Seen, target: float) -> Forecast:
        target = target or state.target_accuracy or _TARGET
        known = seen.known
        if state.auditing.proved >= target:
            return Forecast(state.expected_accuracy)
        seconds = self._ledger.progress(state.collection).human_seconds
        answered = self._ledger.answered(state.collection, max(0, state.seen_seq - LATE))
        pace = forecast.pace(answered, self._costs)
        if state.target_accuracy:
            return self._audits.outlook(state, known, target, seconds=seconds, pace=pace)
        return forecast.forecast(
            known.pool,
            known.far(seconds, pace),
            target=target,
            page_size=state.page_size,
            costs=self._costs,
        )
