"""The random stream: images that no policy ever chooses, to measure without bias.

One of a hundred, or 60 where that is more (`chassis/holdout.py`): heads learn nothing from the first
hundredth, backbones nothing from any of them.

People see its images on pages of their predicted class, as they see all others. The first 60 come at once,
so that heads and backbones can be measured early; the others about as fast as the rest gets its labels. The
order in which they fall due is fixed and has nothing to do with what they show, so that those that are due
are a random sample of all images. A page of a few images costs a whole look: where fewer than `FEW` of a
class are due they stand on the next page of that class, among its other images. So those that are labelled
lean to what there are pages of; heads are measured only by steps of which all images have an answer
(`measurable`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.holdout import FIRST_SAMPLE, STREAM_SHARE, in_stream
from hundredfold.selection.domain import worth
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.predicted import SINGLES, cut, single_page, verify_page
from hundredfold.selection.domain.pool import Pool

FEW = 6
_STEP = 8
_MOST_STEPS = 50


def due(
    rows: NDArray[np.int64], total: int, done: float, share: float = STREAM_SHARE
) -> NDArray[np.bool_]:
    """Which rows of the stream should have a label by now.

    Args:
        rows: int64 [n], of the stream.
        total: images of the whole stream.
        done: the share of the other images that needs no answer any more, 0 to 1.
        share: of all images that the stream is.
    """
    steps = _steps(total)
    part = max(int(done * steps + 1e-9) / steps, min(1.0, FIRST_SAMPLE / max(total, 1)))
    return in_stream(rows, share * part)


def measurable(
    rows: NDArray[np.int64], waiting: NDArray[np.int64], total: int
) -> NDArray[np.bool_]:
    """By which rows heads are measured: those of steps of which all images have an answer.

    Args:
        rows: int64 [n], of the hundredth that heads do not learn from, answered by people.
        waiting: int64 [w], those without an answer.
        total: images of that hundredth.
    """
    steps = _steps(total)
    return np.isin(_step_of(rows, steps), _step_of(waiting, steps), invert=True)


def _steps(total: int) -> int:
    return min(max(1, total // _STEP), _MOST_STEPS)


def _step_of(rows: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    """The step at which each row of the stream falls due, from 0: int64 [n]."""
    step = np.zeros(len(rows), np.int64)
    for each in range(1, steps):
        step += ~in_stream(rows, STREAM_SHARE * each / steps)
    return step


def stream_pages(pool: Pool, page_size: int, costs: CostModel, *, haste: int = 0) -> list[Draft]:
    """Pages of the images that are due, by predicted class; those without one are asked about alone.

    Args:
        pool: of them alone, with the guesses of a head.
        page_size: most images a page.
        costs: of a person's actions.
        haste: so many that were kicked are asked about alone, too, first of all: a backbone waits to be
            measured, and on pages of their next guess they would come one by one.
    """
    kicked = np.flatnonzero(pool.kicks > 0)[:haste]
    if len(kicked):
        size = min(SINGLES, page_size)
        alone = [
            single_page(pool, kicked[at : at + size], 0.0) for at in range(0, len(kicked), size)
        ]
        return alone + stream_pages(pool.without(pool.rows[kicked]), page_size, costs)
    cuts = cut(pool, page_size)
    pages = []
    for number, class_id in enumerate(cuts.classes):
        places = cuts.page(number)
        if class_id:
            page = replace(verify_page(pool, places, 0.0), kind=Kind.AUDIT)
            pages.append(replace(page, score=worth.of_page(page, pool, costs)))
        else:
            size = min(SINGLES, page_size)
            starts = range(0, len(places), size)
            pages += [single_page(pool, places[at : at + size], 0.0) for at in starts]
    return sorted(pages, key=lambda page: -page.score)


def is_few(page: Draft) -> bool:
    """Whether a page of the stream is too small to be shown by itself."""
    return page.class_id > 0 and len(page) < FEW


def riding(pages: Sequence[Draft], due_pages: Sequence[Draft], page_size: int) -> list[Draft]:
    """Pages of a policy, the few images that are due of each class on the first page of that class.

    They take the places of its surest images. Those of a class that has no page wait for one.

    Args:
        pages: best first.
        due_pages: of the stream, one a class, each smaller than `FEW`.
        page_size: most images a page.
    """
    waiting = {page.class_id: page for page in due_pages}
    return [
        _with_riders(page, waiting.pop(page.class_id), page_size)
        if page.kind is Kind.VERIFY and page.class_id in waiting
        else page
        for page in pages
    ]


def _with_riders(page: Draft, riders: Draft, page_size: int) -> Draft:
    """A page, the surest first as policies make them, with further images at its end."""
    kept = slice(max(0, len(page) + len(riders) - page_size), None)
    return replace(
        page,
        rows=np.concatenate([page.rows[kept], riders.rows]),
        second=np.concatenate([page.second[kept], riders.second]),
        probability=np.concatenate([page.probability[kept], riders.probability]),
    )
