"""What is computed from the curve of a labelling: when a target was reached, rates, forecasts come true."""

from collections.abc import Iterator, Sequence

import numpy as np

from hundredfold.client.simulation.outcome import Asked, Checkpoint, Point, Rates

ONE_BY_ONE_SECONDS = 3.0
"""An image, labelling one by one."""
GOOD_TOOL_SECONDS = 2.4
"""An image, in a good single-image tool by the keystroke-level model."""
SHARES = tuple(tenth / 10 for tenth in range(1, 10))
"""Of the work, at which forecasts are compared with what came true."""


def speedup(images: int, target: float, seconds: float, each: float = ONE_BY_ONE_SECONDS) -> float:
    """Times faster than labelling a share `target` of the images one by one at `each` seconds."""
    return each * images * target / seconds if seconds else 0.0


def crossing(curve: Sequence[Point], target: float) -> tuple[float, float] | None:
    """Seconds and actions at which the accuracy of a curve first reached a target, interpolated.

    None when it never did.
    """
    before = (0.0, 0.0, 0.0)
    for point in curve:
        if point.accuracy >= target:
            share = (target - before[0]) / (point.accuracy - before[0])
            return (
                before[1] + share * (point.seconds - before[1]),
                before[2] + share * (point.actions - before[2]),
            )
        before = (point.accuracy, point.seconds, point.actions)
    return None


def at(curve: Sequence[Point], seconds: float) -> Point:
    """The first point at or after so many seconds, else the last."""
    return next((each for each in curve if each.seconds >= seconds), curve[-1])


def rates(curve: Sequence[Point], until: float) -> Rates:
    """Labels a human second in the first and the last third of the seconds `until` a target."""
    if not curve or until <= 0:
        return Rates(0.0, 0.0, 0.0, 0.0, 0.0)
    seconds = [0.0, *(each.seconds for each in curve)]
    people = [0, *(each.labelled for each in curve)]
    at = np.interp([until / 3, 2 * until / 3, until], seconds, people)
    model = max((each.by_model for each in curve if each.seconds <= until), default=0)
    first, last = at[0] / (until / 3), (at[2] - at[1]) / (until / 3)
    with_model = last + model / (until / 3)
    return Rates(
        first_third=float(first),
        last_third=float(last),
        last_third_with_model=float(with_model),
        factor=float(last / first) if first else 0.0,
        factor_with_model=float(with_model / first) if first else 0.0,
    )


def checkpoints(asked: Sequence[Asked], target: float, until: float) -> Iterator[Checkpoint]:
    """The forecasts of a target at each tenth of the work, and what came true.

    A tenth at which there was no forecast yet, such as while clusters wait to be named, is left out.

    Args:
        asked: forecasts by time.
        target: of which target.
        until: human seconds at which it was reached.
    """
    of_target = [each for each in asked if each.target == target and each.at_seconds < until]
    for share in SHARES:
        later = (each for each in of_target if each.at_seconds >= share * until)
        first = next(later, None)
        if first is None or first.at_seconds >= (share + 0.1) * until:
            continue
        left = until - first.at_seconds
        yield Checkpoint(
            target=target,
            share=share,
            forecast=first.seconds,
            low=first.low,
            high=first.high,
            truth=left,
            inside=first.low <= left <= first.high,
        )
