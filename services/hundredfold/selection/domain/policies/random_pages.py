"""Predicted-class pages in random order: what choosing is worth."""

from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.policies.base import Asked
from hundredfold.selection.domain.policies.predicted import SINGLES, cut, single_page, verify_page
from hundredfold.selection.domain.pool import Pool


def random_pages(pool: Pool, asked: Asked) -> list[Draft]:
    """Any pages of one predicted class; images that have none are asked about one by one."""
    cuts = cut(pool, asked.page_size)
    pages: list[Draft] = []
    for number in asked.random.permutation(len(cuts.starts))[: asked.limit]:
        places = cuts.page(int(number))
        if pool.top[places[0]]:
            pages.append(verify_page(pool, places, 0.0))
        else:
            pages.append(single_page(pool, places[:SINGLES], 0.0))
    return pages
