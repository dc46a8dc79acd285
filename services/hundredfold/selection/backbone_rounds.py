"""When a round of fine-tuning is not to go on, and what is written down of one that has ended."""

import time

from hundredfold.selection.domain.rounds import Phase
from hundredfold.selection.state import (
    MOST_ROUNDS,
    BackboneRound,
    Comparison,
    LoopState,
    Tuning,
)


def ended(
    state: LoopState, tuning: Tuning, reason: str, *, promoted: bool = False
) -> dict[str, object]:
    """The fields of a state once a round has ended."""
    now = time.time()
    came = BackboneRound(
        before=tuning.before,
        after=tuning.after,
        labels_seq=tuning.labels_seq,
        labels=tuning.labels,
        compared=tuning.compared or Comparison(),
        promoted=promoted,
        reason=reason,
        seconds=max(0.0, now - tuning.began_at),
        ended_at=now,
    )
    return {
        "tuning": Tuning(number=tuning.number, labels=tuning.labels, labels_seq=tuning.labels_seq),
        "backbone_rounds": (*state.backbone_rounds, came)[-MOST_ROUNDS:],
    }


def needless(state: LoopState) -> str:
    """Why a round is not to go on; empty when it is."""
    if "fine-tuning" in state.without or state.tuning.before != state.space:
        return "the loop was started anew"
    if state.tuning.labels_seq <= state.cleared_seq:
        return "the labels that it learns from were cleared"
    return "the work was done before" if state.phase is Phase.DONE else ""
