"""The random stream: one image of a hundred that no policy ever chooses, to measure without bias.

People see its images on pages of their predicted class, as they see all others. They come about as fast
as the rest gets its labels. The order in which they fall due is fixed and has nothing to do with what
they show, so that those that are due and labelled are a random sample of all images. They fall due in
steps of some images, as a page of one image costs a whole look.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.holdout import STREAM_SHARE, in_stream
from hundredfold.selection.domain import worth
from hundredfold.selection.domain.page import Draft, Kind
from hundredfold.selection.domain.policies.predicted import SINGLES, cut, single_page, verify_page
from hundredfold.selection.domain.pool import Pool

_STEP = 8
_MOST_STEPS = 50


def due(rows: NDArray[np.int64], total: int, done: float) -> NDArray[np.bool_]:
    """Which rows of the stream should have a label by now.

    Args:
        rows: int64 [n], of the stream.
        total: images of the whole stream.
        done: the share of the other images that needs no answer any more, 0 to 1.
    """
    steps = min(max(1, total // _STEP), _MOST_STEPS)
    share = int(done * steps + 1e-9) / steps
    return in_stream(rows, STREAM_SHARE * share)


def stream_pages(pool: Pool, page_size: int, costs: CostModel) -> list[Draft]:
    """Pages of the images that are due, by predicted class; those without one are asked about alone.

    Args:
        pool: of them alone, with the guesses of a head.
        page_size: most images a page.
        costs: of a person's actions.
    """
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
