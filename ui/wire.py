"""From what the client hands out to JSON, and back."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hundredfold.client.groups import at_most
from hundredfold.client.types import Audit, Judgement, Lease, Progress, Rows, Schema, Verdict
from ui.words import number, say

Json = dict[str, Any]


def lease(given: Lease) -> Json:
    """A page with its token."""
    page = given.page
    return {
        "token": given.token,
        "kind": page.kind,
        "rows": page.rows.tolist(),
        "class_id": page.class_id,
        "cluster": page.cluster,
        "second": page.second.tolist(),
        "probability": [round(each, 4) for each in page.probability.tolist()],
        **others(page.others),
    }


def others(rows: Rows) -> Json:
    """The right images of pairs, where there are pairs."""
    return {"others": rows.tolist()} if rows.size else {}


def schema(given: Schema) -> Json:
    """The classes in use."""
    return {
        "version": given.version,
        "several": given.several,
        "classes": [
            {
                "class_id": each.class_id,
                "name": each.name,
                "key": each.key,
                "color": each.color,
                "guideline": each.guideline,
                "guidelines": each.guideline,
                "examples": list(each.examples),
                "parent_id": each.parent_id,
            }
            for each in given.in_use
        ],
    }


def group(given: Audit, known: Schema) -> Json:
    """How the audit of a cluster stands."""
    return {"audit_id": given.audit_id, "state": given.state, "words": _in_words(given, known)}


def _in_words(given: Audit, known: Schema) -> str:
    """What became of the audit of a cluster; empty while nothing did."""
    names = {each.class_id: each.name for each in known.classes}
    name = names.get(given.cluster_class) or say("label.class", number=given.cluster_class)
    if given.state == "CERTIFIED":
        sure, bound = f"{100 * given.confidence:.4g} %", at_most(given.bound)
        return say(
            "label.group_certified", count=given.total, name=name, bound=bound, confidence=sure
        )
    if given.state == "FAILED":
        found = {"errors": given.errors, "sample": given.sample}
        return say("label.group_failed", count=given.total, name=name, **found)
    return ""


def progress(given: Progress) -> Json:
    """How far the work is."""
    return {
        "total": given.total,
        "labelled": given.labelled,
        "unsure": given.unsure,
        "leased": given.leased,
        "pool": given.pool,
        "decisions": given.decisions,
        "images": given.images,
        "images_labelled": given.images_labelled,
        "labels_per_minute": given.labels_per_minute,
        "pairs_judged": given.pairs_judged,
        "pairs_open": given.pairs_open,
    }


def proved(share: float) -> str:
    """A proved share in words, rounded so that they promise no more; empty when nothing is proved."""
    return say("label.proved_share", share=proved_share(share)) if share else ""


def proved_share(share: float) -> str:
    """The same without the words."""
    # A ten thousandth of a percent is lost where a share is sent as a float.
    return say("common.percent", amount=number(int(1000 * share + 1e-3) / 10, ".4g"))


def judgement(given: Judgement) -> Json:
    """One verdict."""
    rows = given.rows.tolist()
    said = {"class_id": given.class_id, "verdict": given.verdict, "rows": rows}
    return {**said, **others(given.others)}


def to_judgement(given: Mapping[str, Any]) -> Judgement:
    """One verdict that was sent; LookupError, TypeError or ValueError when it has not the form of one."""
    rows, right = to_rows(given["rows"]), to_rows(given.get("others", []))
    return Judgement(whole(given["class_id"]), Verdict(given["verdict"]), rows, right)


def to_rows(given: Any) -> Rows:
    """Row numbers."""
    if not isinstance(given, list):
        raise TypeError("rows must be a list")
    return np.array([whole(each) for each in given], np.int64)


def to_tokens(given: Any) -> list[int]:
    """Tokens of leases."""
    return [int(each) for each in to_rows(given)]


def to_id(given: Any) -> str:
    """The browser's id of a write: with none of its own it could not be sent again safely."""
    if not isinstance(given, str) or not given:
        raise TypeError("request_id must be a text")
    return given


def whole(given: Any) -> int:
    """A whole number."""
    if type(given) is not int:
        raise TypeError(f"not a whole number: {given!r:.40}")
    return given


def packed(pieces: Sequence[bytes]) -> bytes:
    """Pieces behind one another, each with its length before it as four bytes, little-endian."""
    return b"".join(struct.pack("<I", len(each)) + each for each in pieces)
