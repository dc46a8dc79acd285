"""The pages on which people are asked about the sample of an audit."""

import itertools
from dataclasses import replace

import numpy as np

from hundredfold.labels.domain.audit import Drawn, Plan
from hundredfold.labels.domain.class_view import NOT
from hundredfold.labels.domain.page import Mask, Page, PageKind, Rows
from hundredfold.labels.domain.schema import Schema

PAGE_IMAGES = 48
SCORE = 1e300
"""Of the pages of an audit: above all others."""


def pages(plan: Plan, drawn: Drawn, wanted: Mask, schema: Schema) -> list[Page]:
    """The pages of a sample, by predicted class, the surest images first, with the images of a mask [s].

    An image is always on the page of the same id, so that those that were lost can be made again beside
    those that were not. Each stage has pages of its own.
    """
    made: list[Page] = []
    for stage, (begin, end) in enumerate(itertools.pairwise((0, *plan.sizes))):
        inside = drawn.between(begin, end)
        for class_id in np.unique(drawn.class_ids[inside & wanted]).tolist():
            name = f"audit-{plan.audit_id}-" + (f"{stage}-" if stage else "") + str(class_id)
            places = np.flatnonzero(inside & (drawn.class_ids == class_id))
            places = places[np.argsort(-drawn.probabilities[places], kind="stable")]
            for number, first in enumerate(range(0, len(places), PAGE_IMAGES)):
                some = places[first : first + PAGE_IMAGES]
                some = some[wanted[some]]
                if some.size:
                    page = _page(plan, drawn, some, schema.in_use(plan.class_id or class_id))
                    made.append(replace(page, page_id=f"{name}-{number}"))
    return made


def _page(plan: Plan, drawn: Drawn, places: Rows, class_id: int) -> Page:
    sure = drawn.probabilities[places]
    return Page(
        page_id="",
        kind=PageKind.AUDIT,
        rows=drawn.rows[places],
        class_id=class_id,
        probability=np.where(drawn.class_ids[places] == NOT, 1 - sure, sure).astype(np.float32),
        model=plan.model,
        cluster=plan.cluster,
        score=SCORE,
        audit_id=plan.audit_id,
        several=plan.class_id > 0,
    )
