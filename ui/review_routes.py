"""The HTTP routes of the Review view. What touches what others did takes the role reviewer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount

from hundredfold.chassis.errors import InvalidArgument, NotFound, ServiceError
from hundredfold.client.types import Event, Judgement, Lease, Rows, Selection, Verdict
from ui import bringing, review_wire, wire
from ui.backend import client
from ui.people import Role, person
from ui.web import Answer, Body, Modules, get, post
from ui.words import say

MODULES = "/reviewing"
"""Where the browser finds the modules of the view; the view itself is at /review."""

_PAGE = 60
_MOST_SUSPICIOUS = 500
_MOST_GROUPS = 1_000
_MOST_OWN = 50
"""Single events that somebody who is no reviewer may name at once: each is looked at."""

_RELABEL_SECONDS = 30
_WHY_NONE = {
    "TOO_FEW_LABELS": "review.suspicious_too_few",
    "SEVERAL_CLASSES": "review.suspicious_several",
}


def review_routes() -> list[BaseRoute]:
    """All routes of the view, to be mounted beside Streamlit."""
    at = "/api/collections/{collection}"
    modules = Path(__file__).parent / "components" / "review" / "modules"
    return [
        get(f"{at}/review", overview, least=Role.LABELER),
        get(f"{at}/review/history", history, least=Role.LABELER),
        post(f"{at}/review/preview", preview),
        post(f"{at}/review/undo", undo),
        post(f"{at}/review/restore", restore),
        get(f"{at}/review/suspicious", suspicious, least=Role.REVIEWER),
        post(f"{at}/review/relabel", relabel, least=Role.REVIEWER),
        get(f"{at}/review/audits", audits, least=Role.REVIEWER),
        get(f"{at}/review/copies", copies, least=Role.REVIEWER),
        post(f"{at}/review/pairs", pairs, least=Role.REVIEWER),
        post(f"{at}/review/search", search, least=Role.ADMIN),
        get(f"{at}/review/flags", flags, least=Role.LABELER),
        post(f"{at}/review/name", name, least=Role.REVIEWER),
        post(f"{at}/review/resolve", resolve),
        post(f"{at}/flags", flag),
        Mount(MODULES, Modules(directory=modules)),
    ]


def overview(request: Request) -> Answer:
    """The classes, the people whose work may be looked at, and what the one who asks may do."""
    collection = request.path_params["collection"]
    schema = client().catalog.schema(collection)
    reviews = person().role >= Role.REVIEWER
    people = [each.name for each in client().labels.annotators(collection)] if reviews else []
    return {
        "reviews": reviews,
        "schema": wire.schema(schema),
        "names": review_wire.names(schema),
        "people": people,
        "me": person().named(request.query_params.get("annotator", "")),
        "second_looks": _has_second_looks(collection),
        "open_flags": client().labels.open_flags(collection) if reviews else 0,
    }


def _has_second_looks(collection: str) -> bool:
    """Whether the loop itself shows labels that look wrong to people."""
    try:
        loop = client().selection.get(collection)
    except ServiceError:
        return False
    return "cleaning" not in loop.without


def history(request: Request) -> Answer:
    """Events, newest first; of nobody else for those who do not review."""
    query = request.query_params
    actor = query.get("actor", "")
    if person().role < Role.REVIEWER:
        actor = person().name
    found, token = client().labels.some_decisions(
        request.path_params["collection"],
        actor=actor,
        kinds=[each for each in query.get("kinds", "").split(",") if each],
        since=float(query.get("since") or 0),
        until=float(query.get("until") or 0),
        newest_first=True,
        page_size=_PAGE,
        page_token=query.get("token", ""),
    )
    return {"lines": list(map(review_wire.line, found)), "token": token}


def preview(collection: str, body: Body) -> Answer:
    """What taking events back would do."""
    selection = _selection(collection, body)
    return review_wire.preview(client().labels.preview_undo(collection, selection))


def undo(collection: str, body: Body) -> Answer:
    """Take events back; one that is undone already is passed over."""
    undone = client().labels.undo_many(
        collection,
        person().named(body["annotator"]),
        _selection(collection, body),
        wire.to_id(body["request_id"]),
        only_own=person().role < Role.REVIEWER,
    )
    return {"seq": undone.seq, "events": undone.events}


def restore(collection: str, body: Body) -> Answer:
    """Take one event back: an undo of many, so that they count again, or a clear or an audit."""
    seq = wire.whole(body["seq"])
    if person().role < Role.REVIEWER:
        _need_own({_event(collection, seq).actor})
    undone = client().labels.undo(
        collection,
        person().named(body["annotator"]),
        seq=seq,
        request_id=wire.to_id(body["request_id"]),
    )
    return {"seq": undone.seq}


def suspicious(request: Request) -> Answer:
    """Labels that look wrong by class, or why none can be told."""
    collection = request.path_params["collection"]
    try:
        found = client().training.suspicious(collection, limit=_MOST_SUSPICIOUS)
    except NotFound:
        return {"groups": [], "labels": 0, "why": say("review.suspicious_no_model")}
    except ServiceError as error:
        if error.reason not in _WHY_NONE:
            raise
        return {"groups": [], "labels": 0, "why": say(_WHY_NONE[error.reason])}
    return {"groups": review_wire.suspicious(found), "labels": found.labels, "why": ""}


def relabel(collection: str, body: Body) -> Answer:
    """Say again what images labelled `class_id` are: `to` itself to keep it, another class, or 0 for not that."""
    class_id, to = wire.whole(body["class_id"]), wire.whole(body["to"])

    def said(rows: Rows) -> Judgement:
        return Judgement(to or class_id, Verdict.IS if to else Verdict.IS_NOT, rows)

    return _say(collection, body, wire.to_rows(body["rows"]), class_id, said, relabel=True)


def name(collection: str, body: Body) -> Answer:
    """Say what images are, labelled or not; the events that say so."""
    to = wire.whole(body["to"])
    rows = wire.to_rows(body["rows"])
    labels = client().labels.labels(collection)
    known = labels.by_people & np.isin(labels.rows, rows)
    several = client().catalog.schema(collection).several

    def said(found: Rows) -> Judgement:
        return Judgement(to, Verdict.IS, found)

    answers = []
    if several:
        answers.append(_say(collection, body, rows, to, said, relabel=True))
    else:
        new = rows[~np.isin(rows, labels.rows[known])]
        answers.append(_say(collection, body, new, to, said, relabel=False))
        for class_id in np.unique(labels.class_ids[known]).tolist():
            old = labels.rows[known & (labels.class_ids == class_id)]
            answers.append(_say(collection, body, old, class_id, said, relabel=True))
    return {
        "rows": [row for each in answers for row in each["rows"]],
        "seqs": [each["seq"] for each in answers if each["seq"]],
    }


def _say(
    collection: str,
    body: Body,
    rows: Rows,
    class_id: int,
    said: Callable[[Rows], Judgement],
    *,
    relabel: bool,
) -> Answer:
    """Lease images and answer for them at once; what others hold is left out."""
    lease: Lease | None = None
    request_id = f"{wire.to_id(body['request_id'])}-{class_id}-{relabel:d}"
    if rows.size:
        lease = client().labels.lease_rows(
            collection,
            person().named(body["annotator"]),
            rows,
            class_id,
            relabel=relabel,
            ttl_seconds=_RELABEL_SECONDS,
            request_id=request_id,
        )
    if lease is None:
        return {"seq": 0, "rows": []}
    try:
        seq = client().labels.submit(
            collection, lease.token, [said(lease.page.rows)], request_id=f"{request_id}-said"
        )
    except ServiceError:
        client().labels.release(collection, [lease.token])
        raise
    return {"seq": seq, "rows": lease.page.rows.tolist()}


def audits(request: Request) -> Answer:
    """The random checks, newest first."""
    found = client().labels.audits(request.path_params["collection"], limit=_PAGE)
    return {"audits": list(map(review_wire.audit, found))}


def copies(request: Request) -> Answer:
    """Groups of copies, the largest first, with what people say of them that the next search will heed."""
    collection = request.path_params["collection"]
    limit = min(_MOST_GROUPS, int(request.query_params.get("limit", _PAGE)))
    try:
        found = client().hashing.duplicates(collection, limit=limit)
    except NotFound:
        none = {"groups": [], "group_count": 0, "copy_count": 0, "pairs_open": 0, "run": ""}
        return {**none, "searched": False, "searching": False, "may_search": False}
    judged = client().labels.pairs(collection)
    return {
        "groups": [review_wire.copies(each, judged) for each in found.groups],
        "group_count": found.group_count,
        "copy_count": found.copy_count,
        "pairs_open": client().labels.progress(collection).pairs_open,
        "run": found.duplicates,
        "searched": True,
        "searching": _is_searching(collection),
        "may_search": person().role >= Role.ADMIN,
    }


def _is_searching(collection: str) -> bool:
    """Whether the images are being brought in, of which looking for copies is a step."""
    try:
        return bringing.standing(client(), collection).at_work
    except ServiceError:
        return False


def search(collection: str, body: Body) -> Answer:  # noqa: ARG001  it says all by being asked
    """Take the steps of bringing images in again, as far as there is something new: what people said of pairs is."""
    bringing.go_on(client(), collection)
    return {}


def pairs(collection: str, body: Body) -> Answer:
    """Say of pairs of images whether they are the same picture, and which image is to stand for the others."""
    seq = client().labels.judge_pairs(
        collection,
        person().named(body["annotator"]),
        [wire.to_judgement(each) for each in body["judgements"]],
        kept_rows=wire.to_rows(body["kept"]),
        request_id=wire.to_id(body["request_id"]),
    )
    return {"seq": seq}


def flags(request: Request) -> Answer:
    """Notes for reviewers; of nobody else for those who do not review."""
    open_only = request.query_params.get("open") == "1"
    found = client().labels.flags(request.path_params["collection"], open_only=open_only)
    seen = (each for each in found if person().role >= Role.REVIEWER or each.actor == person().name)
    return {"flags": list(map(review_wire.flag, seen))}


def flag(collection: str, body: Body) -> Answer:
    """Write a note for a reviewer on images."""
    comment = body["comment"]
    if not isinstance(comment, str):
        raise InvalidArgument("a comment is a text", field="comment")
    client().labels.flag(
        collection,
        person().named(body["annotator"]),
        wire.to_rows(body["rows"]),
        comment,
        wire.to_id(body["request_id"]),
    )
    return {}


def resolve(collection: str, body: Body) -> Answer:
    """Say that a flag is done with."""
    seqs = wire.to_rows(body["seqs"]).tolist()
    if person().role < Role.REVIEWER:
        _need_own({_event(collection, seq).actor for seq in seqs[:_MOST_OWN]})
    client().labels.unflag(
        collection,
        person().named(body["annotator"]),
        seqs[:_MOST_OWN],
        str(body["comment"]),
        wire.to_id(body["request_id"]),
    )
    return {}


def _selection(collection: str, body: Body) -> Selection:
    """Which events are meant; those of others take the role reviewer."""
    selection = review_wire.to_selection(body["selection"])
    if person().role < Role.REVIEWER:
        if len(selection.seqs) > _MOST_OWN:
            raise InvalidArgument(f"at most {_MOST_OWN} events", field="seqs")
        named = {_event(collection, seq).actor for seq in selection.seqs}
        _need_own(named or {selection.actor})
    return selection


def _need_own(actors: set[str]) -> None:
    if actors != {person().name}:
        person().need(Role.REVIEWER)


def _event(collection: str, seq: int) -> Event:
    found, _ = client().labels.some_decisions(collection, after=max(0, seq - 1), page_size=1)
    if not found or found[0].seq != seq:
        raise NotFound(f"there is no event {seq}", field="seq")
    return found[0]
