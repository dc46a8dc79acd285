"""What is told of a simulated labelling."""

from dataclasses import dataclass, field

from hundredfold.client.types import Annotator, Audit, BackboneRound


@dataclass(frozen=True)
class Point:
    """A point of the curve; `labelled` images by people, `by_model` under a certificate.

    Where an image may be of several classes `labelled` and `accuracy` are of pairs of an image and a class;
    `exact_match` is the share of images of which all is right.
    """

    seconds: float
    actions: float
    decisions: int
    labelled: int
    by_model: int
    accuracy: float
    expected_accuracy: float
    measured_accuracy: float
    exact_match: float = 0.0


@dataclass(frozen=True)
class Asked:
    """A forecast that was asked for after so many human seconds."""

    target: float
    at_seconds: float
    seconds: float
    low: float
    high: float


@dataclass(frozen=True)
class Checkpoint:
    """A forecast, and what came true.

    Attributes:
        share: of the work that was done then.
        forecast: human seconds said to be left; `low` to `high` is the 80 % interval.
        truth: human seconds that were left.
    """

    target: float
    share: float
    forecast: float
    low: float
    high: float
    truth: float
    inside: bool


@dataclass(frozen=True)
class Rates:
    """Labels a human second in the first and in the last third of the human seconds.

    `with_model` counts the images that the model labelled under the certificate in the last third.
    """

    first_third: float
    last_third: float
    last_third_with_model: float
    factor: float
    factor_with_model: float


@dataclass(frozen=True)
class Milestone:
    """A target that was reached.

    Attributes:
        ended: by `certificate`, by the `truth`, because people had labelled `everything`, or because the loop
            had nothing left to ask (`done`), which proves nothing.
        seconds: human seconds until then; with the stop `truth` interpolated between points.
        speedup: times faster than one by one at 3 s an image: 3 x images x target / seconds.
        speedup_over_good_tool: the same at 2.4 s an image.
        actions: keys, clicks and drags until then.
        accuracy: the true one of the complete labelling then.
        exact_match: share of images of which all is right, at the next point.
        proved_accuracy: what the certificate says; 0 = nothing was proved.
        waiting_seconds: seconds the labeller waited for the machine until then, backbones apart.
        backbone_seconds: seconds he paused for backbones.
        pages: answered until then, by kind.
    """

    target: float
    ended: str
    seconds: float
    speedup: float
    speedup_over_good_tool: float
    actions: float
    decisions: int
    labelled: int
    accuracy: float
    proved_accuracy: float
    waiting_seconds: float
    backbone_seconds: float
    pages: dict[str, int]
    rates: Rates
    exact_match: float = 0.0


@dataclass
class Outcome:
    """What one simulated labelling took.

    Attributes:
        waiting_seconds: seconds the labeller waited for the machine; in no other seconds.
        backbone_seconds: seconds he paused for backbones (clock `wait`); in no other seconds.
        machine_seconds: wall seconds from begin to end.
        backbone_rounds: each attempt at a better space, with its machine seconds.
        annotator: what the system thinks of the labeller.
    """

    seed: int
    images: int
    classes: int
    milestones: list[Milestone] = field(default_factory=list)
    waiting_seconds: float = 0.0
    backbone_seconds: float = 0.0
    machine_seconds: float = 0.0
    pages: dict[str, int] = field(default_factory=dict)
    backbone_rounds: list[BackboneRound] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    annotator: Annotator | None = None
    checkpoints: list[Checkpoint] = field(default_factory=list)
    curve: list[Point] = field(default_factory=list)
