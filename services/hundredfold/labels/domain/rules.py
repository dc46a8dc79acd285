"""What a request may say. Each function returns what it was given, or raises InvalidArgument."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.requests import check_between
from hundredfold.labels.domain.event import JUDGING, Judgement, Verdict
from hundredfold.labels.domain.page import NO_ROWS, Page, PageKind, Rows, pair_keys
from hundredfold.labels.domain.schema import Schema
from hundredfold.labels.domain.state import MOST_ROWS
from hundredfold.labels.domain.undoing import Selection

MOST_NAME = 128
MOST_TEXT = 200
MOST_SECONDS = 86_400.0
MOST_JUDGEMENTS = 1_000
MOST_PAGE_ROWS = 1_024
MOST_PAIRS = 4_096
MOST_COMMENT = 1_000
MOST_SEQS = 10_000
MOST_FLAGS = 1_000
MOST_TIME = 1e11
_NO_PAIRS = (PageKind.SINGLE, PageKind.REVIEW)
_NAMED = (PageKind.VERIFY, PageKind.AUDIT, PageKind.REVIEW)


def actor_name(name: str, field: str = "annotator") -> str:
    """A name of a person or a program."""
    if len(name) > MOST_NAME or not name.isprintable():
        raise InvalidArgument(
            f"{field} must be at most {MOST_NAME} printable characters", field=field
        )
    return name


def between(value: int, least: int, most: int, default: int, field: str) -> int:
    """A number within bounds; 0 means the default."""
    return check_between(value, least, most, field) if value else default


def share(value: float, least: float, most: float, default: float, field: str) -> float:
    """A share within bounds; 0 means the default."""
    if value == 0:
        return default
    # A float32 that was meant to be a bound may be a little beyond it.
    if not least * (1 - 1e-6) <= value <= most * (1 + 1e-6):
        raise InvalidArgument(f"{field} must be {least:g} to {most:g}", field=field)
    return value


def not_negative(value: int, field: str) -> int:
    """A number that counts or numbers something, and fits a database."""
    if not 0 <= value < 1 << 63:
        raise InvalidArgument(f"{field} must not be negative", field=field)
    return value


def moment(value: float, field: str) -> float:
    """Unix seconds; 0 = not said."""
    if not (math.isfinite(value) and 0 <= value <= MOST_TIME):
        raise InvalidArgument(f"{field} must be Unix seconds", field=field)
    return value


def comment(text: str) -> str:
    """What a person writes: plain text, of which only line ends and tabs are not printable."""
    if len(text) > MOST_COMMENT:
        raise InvalidArgument(f"a comment has at most {MOST_COMMENT} characters", field="comment")
    if not all(each.isprintable() or each in "\n\t" for each in text):
        raise InvalidArgument("a comment holds what can't be printed", field="comment")
    return text.strip()


def picked(rows: Rows, in_collection: int, field: str = "rows") -> Rows:
    """Images that a person picked, int64 [n], of a collection of so many rows."""
    if not 1 <= len(rows) <= MOST_PAGE_ROWS or _repeats(rows):
        raise InvalidArgument(f"{field} are 1 to {MOST_PAGE_ROWS} images, each once", field=field)
    if rows.min() < 0 or rows.max() >= min(in_collection, MOST_ROWS):
        raise InvalidArgument("a row is not in the collection", field=field)
    return rows


def thought_to_be(class_id: int, schema: Schema, *, needed: bool) -> int:
    """The class that picked images are thought to be of; 0 = none, unless one is needed."""
    if not class_id and not needed:
        return 0
    if schema.unknown([class_id]):
        raise InvalidArgument(f"class {class_id} is not in the schema", field="class_id")
    return class_id


def flag_seqs(seqs: Sequence[int]) -> Sequence[int]:
    """Flags that are done with."""
    if not 1 <= len(seqs) <= MOST_FLAGS:
        raise InvalidArgument(f"seqs are 1 to {MOST_FLAGS} flags", field="seqs")
    return seqs


def selection(chosen: Selection) -> Selection:
    """Which events are meant: by seq, or by some criterion."""
    wanted = chosen.wanted
    if len(chosen.seqs) > MOST_SEQS:
        raise InvalidArgument(f"at most {MOST_SEQS} seqs", field="selection.seqs")
    if bool(chosen.seqs) == wanted.chooses:
        raise InvalidArgument("a selection names seqs, or a criterion", field="selection")
    if not set(wanted.kinds) <= JUDGING:
        raise InvalidArgument(
            "only decisions, imports, certificates and judgements of pairs can be selected",
            field="selection.kinds",
        )
    return chosen


def seconds(value: float) -> float:
    """Seconds that a person took."""
    if not (math.isfinite(value) and 0 <= value <= MOST_SECONDS):
        raise InvalidArgument(f"seconds must be 0 to {MOST_SECONDS:.0f}", field="seconds")
    return value


def judgements(said: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """What is said of a page: no image is called two things at once."""
    if len(said) > MOST_JUDGEMENTS:
        raise _bad(f"there must be at most {MOST_JUDGEMENTS} judgements")
    if any(each.of_pairs for each in said):
        return judgements_of_pairs(said)
    for each in said:
        _one(each)
    _no_row_twice(said, Verdict.IS, "an image is given two classes")
    settled = _rows(said, Verdict.IS)
    if np.isin(_rows(said, Verdict.UNSURE), settled).any():
        raise _bad("an image is given a class and called unsure")
    for class_id in {each.class_id for each in said if each.verdict is Verdict.IS_NOT}:
        if np.isin(_of(said, Verdict.IS_NOT, class_id), _of(said, Verdict.IS, class_id)).any():
            raise _bad("an image is said to be, and not to be, of one class")
    return tuple(said)


def judgements_of_pairs(said: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """What is said of pairs: no pair is called two things at once."""
    for each in said:
        if each.class_id:
            raise _bad("class_id is 0 where pairs are judged")
        if len(each.rows) != len(each.others):
            raise _bad("others is the right image of each pair")
        if each.rows.size and min(each.rows.min(), each.others.min()) < 0:
            raise _bad("a row is negative")
        if each.rows.size and max(each.rows.max(), each.others.max()) >= MOST_ROWS:
            raise _bad("a row is out of bounds")
        if (each.rows == each.others).any():
            raise _bad("an image is paired with itself")
    if _repeats(_pairs(said)):
        raise _bad("a pair is judged twice")
    return tuple(said)


def judged(said: Sequence[Judgement], in_collection: int) -> tuple[Judgement, ...]:
    """What a person says of pairs of a collection of so many rows, without a page."""
    checked = judgements_of_pairs(said)
    rows = np.concatenate([NO_ROWS, *(np.concatenate([p.rows, p.others]) for p in checked)])
    if not 2 <= len(rows) <= 2 * MOST_PAIRS:
        raise _bad(f"there must be 1 to {MOST_PAIRS} pairs")
    if rows.max() >= in_collection:
        raise _bad("a row is not in the collection")
    return checked


def kept(rows: Rows, in_collection: int) -> Rows:
    """Images that are to stand for others, of a collection of so many rows."""
    return picked(rows, in_collection, "kept_rows") if rows.size else rows


def on_page(said: Sequence[Judgement], page: Page) -> None:
    """Every image judged, or every pair, is on the page."""
    pairs = page.kind is PageKind.PAIR
    if any(each.of_pairs != pairs for each in said if each.rows.size):
        raise _bad("a page of pairs takes judgements of pairs, others take none")
    if pairs:
        if not np.isin(_pairs(said), page.pairs).all():
            raise _bad(f"a pair is not on page {page.page_id}")
        return
    for each in said:
        strange = each.rows[~np.isin(each.rows, page.rows)]
        if strange.size:
            raise _bad(f"row {strange[0]} is not on page {page.page_id}")


def in_schema(said: Sequence[Judgement], schema: Schema) -> None:
    """Every class named is one of the schema."""
    named = (p for p in said if p.verdict is not Verdict.UNSURE and not p.of_pairs)
    unknown = schema.unknown(each.class_id for each in named)
    if unknown:
        raise _bad(f"class {unknown[0]} is not in the schema")


def page(offered: Page, rows: int) -> Page:
    """A page for the queue of a collection of so many rows."""
    if not 0 < len(offered.page_id) <= MOST_TEXT or not offered.page_id.isprintable():
        raise _bad_page(f"page_id must be 1 to {MOST_TEXT} printable characters")
    if max(len(offered.model), len(offered.cluster)) > MOST_TEXT or not math.isfinite(
        offered.score
    ):
        raise _bad_page("model, cluster or score is out of bounds")
    if offered.class_id < 0 or (offered.kind in _NAMED and not offered.class_id):
        raise _bad_page("a page to verify, audit or review needs a class_id")
    if offered.kind is PageKind.PICKED:
        raise _bad_page("what a person picks is not offered; lease it")
    if offered.audit_id:
        raise _bad_page("the pages of an audit can't be offered; start one")
    if not 1 <= len(offered.rows) <= MOST_PAGE_ROWS:
        raise _bad_page(f"a page has 1 to {MOST_PAGE_ROWS} images")
    if any(
        each.size not in (0, len(offered.rows)) for each in (offered.second, offered.probability)
    ):
        raise _bad_page("second and probability have one element an image, or none")
    if (offered.kind is PageKind.PAIR) != (offered.others.size > 0):
        raise _bad_page("a page of pairs has others, and no other page")
    if offered.kind is PageKind.PAIR:
        return _page_of_pairs(offered, rows)
    if (
        _repeats(offered.rows)
        or offered.rows.min() < 0
        or offered.rows.max() >= min(rows, MOST_ROWS)
    ):
        raise _bad_page(f"rows of page {offered.page_id} repeat or are not in the collection")
    if _repeats(offered.planted) or not np.isin(offered.planted, offered.rows).all():
        raise _bad_page(
            f"planted images of page {offered.page_id} repeat or are not among its rows"
        )
    return offered


def pages(offered: Sequence[Page], rows: int) -> Sequence[Page]:
    """Pages for the queue of a collection of so many rows, each id once."""
    for each in offered:
        page(each, rows)
    if len({each.page_id for each in offered}) != len(offered):
        raise _bad_page("two pages have the same page_id")
    return offered


def pages_of_pairs(offered: Sequence[Page], schema: Schema) -> list[Page]:
    """Pages for a collection whose images may be of several classes: each asks about one class, or a cluster."""
    for each in offered:
        if each.kind in _NO_PAIRS:
            raise _bad_page(f"a {each.kind.name} page takes images of one class each")
        if each.kind is PageKind.CLUSTER and each.class_id:
            raise _bad_page("a page of a cluster names no class where images may be of several")
        if each.planted.size:
            raise _bad_page("images are planted only where each is of one class")
    unknown = schema.unknown(each.class_id for each in offered if each.class_id)
    if unknown:
        raise _bad_page(f"class {unknown[0]} is not in the schema")
    return [each if each.kind is PageKind.PAIR else replace(each, several=True) for each in offered]


def _page_of_pairs(offered: Page, rows: int) -> Page:
    if len(offered.others) != len(offered.rows):
        raise _bad_page("others is the right image of each pair")
    if offered.class_id or offered.planted.size or offered.cluster or offered.second.size:
        raise _bad_page("a page of pairs asks about no class and no cluster")
    every = np.concatenate([offered.rows, offered.others])
    if every.min() < 0 or every.max() >= min(rows, MOST_ROWS):
        raise _bad_page(f"rows of page {offered.page_id} are not in the collection")
    if (offered.rows == offered.others).any() or _repeats(offered.pairs):
        raise _bad_page(f"pairs of page {offered.page_id} repeat or are of one image")
    return offered


def _pairs(said: Sequence[Judgement]) -> Rows:
    return _joined([pair_keys(each.rows, each.others) for each in said if each.of_pairs])


def _one(said: Judgement) -> None:
    if said.rows.size and said.rows.min() < 0:
        raise _bad("a row is negative")
    if _repeats(said.rows):
        raise _bad("an image is named twice in one judgement")
    if (said.class_id == 0) != (said.verdict is Verdict.UNSURE) or said.class_id < 0:
        raise _bad("class_id is 0 with UNSURE, and a class with IS and IS_NOT")


def _rows(said: Sequence[Judgement], verdict: Verdict) -> Rows:
    return _joined([each.rows for each in said if each.verdict is verdict])


def _of(said: Sequence[Judgement], verdict: Verdict, class_id: int) -> Rows:
    return _joined(
        [each.rows for each in said if each.verdict is verdict and each.class_id == class_id]
    )


def _joined(rows: list[Rows]) -> Rows:
    return np.concatenate([np.empty(0, np.int64), *rows])


def _no_row_twice(said: Sequence[Judgement], verdict: Verdict, message: str) -> None:
    if _repeats(_rows(said, verdict)):
        raise _bad(message)


def _repeats(rows: Rows) -> bool:
    return len(np.unique(rows)) != len(rows)


def _bad(message: str) -> InvalidArgument:
    return InvalidArgument(message, field="judgements")


def _bad_page(message: str) -> InvalidArgument:
    return InvalidArgument(message, field="pages")
