"""What is simulated."""

import enum
from dataclasses import dataclass


class Stop(enum.StrEnum):
    """When a target counts as reached."""

    CERTIFICATE = "certificate"
    """When the system itself has proved it by an audit, and says that the work is done."""
    TRUTH = "truth"
    """When the truth says so, which nobody at work could know."""


class Clock(enum.StrEnum):
    """How the labeller's time and the machine's go together."""

    WAIT = "wait"
    """He pauses while a backbone is trained, embeds or is clustered: the pause is counted apart."""
    REAL = "real"
    """He acts at the pace of the cost model in real time while the machine works beside him."""


@dataclass(frozen=True)
class Settings:
    """What to simulate.

    Attributes:
        targets: shares of all images that must be right, ascending; the clock is read at each.
        stop: when a target counts as reached. Without a proof the work goes on until the loop has nothing left to ask.
        clock: how the labeller's time and the machine's go together.
        pace: with the clock `real`, human seconds that pass in one second: 2 = twice as fast as life,
            which leaves the machine half the time.
        confidence: of the certificates; 0 = the default.
        space: the space to begin in; empty = the one in which the loop of the collection began.
        policy: the way pages are chosen; empty = the default.
        without: parts of the loop that are left out.
        miss_rate: the share of odd images that is overlooked.
        at_random: the labeller knows the classes and answers at random.
        lag: decisions the queue may be behind: the UI fetches pages ahead. An answer to an audit is
            waited for, as it may end the work.
        check_every: decisions between two points of the curve.
        stall_seconds: give up after so long without a page.
        backbone_seconds: give up after so long a pause for a backbone.
    """

    targets: tuple[float, ...] = (0.95,)
    stop: Stop = Stop.CERTIFICATE
    clock: Clock = Clock.WAIT
    pace: float = 1.0
    confidence: float = 0.0
    space: str = ""
    policy: str = ""
    without: tuple[str, ...] = ()
    miss_rate: float = 0.0
    at_random: bool = False
    lag: int = 3
    check_every: int = 4
    stall_seconds: float = 300.0
    backbone_seconds: float = 7_200.0
