"""The HTTP routes of the grid: its modules, leases, answers, undo, pictures. See `web` for who may use them."""

from contextlib import suppress
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from hundredfold.chassis.errors import InvalidArgument, NotFound, ServiceError
from hundredfold.client.groups import at_most
from hundredfold.client.types import Run, Schema, Taken
from ui import wire
from ui.backend import client, in_words
from ui.explore_routes import explore_routes
from ui.people import Role, person
from ui.review_routes import review_routes
from ui.setup_routes import setup_routes
from ui.web import Answer, Body, Modules, bytes_of, get, is_away, post
from ui.words import catalogue, language, say

MODULES = "/grid"
"""Where the browser finds the modules of the grid."""

_PREPARING = ("catalog", "hashing", "embedding", "index")
_STEPS = {
    "ingest": "label.step_ingest",
    "hash": "label.step_hash",
    "duplicates": "label.step_duplicates",
    "embed": "label.step_embed",
    "build-index": "label.step_build_index",
    "cluster": "label.step_cluster",
}
_MOST_ANSWERS = 64
_MOST_PICTURES = 256
_MOST_PAIR_PAGES = 4
_USUAL_ERROR = 0.05
_FIRST_SECONDS = (
    45  # a lease that never arrives, as this process was killed, is free again after it
)


def routes() -> list[BaseRoute]:
    """All routes, to be mounted beside Streamlit."""
    at = "/api/collections/{collection}"
    modules = Path(__file__).parent / "components" / "grid" / "modules"
    return [
        get(f"{at}/state", state),
        get(f"{at}/work", work),
        post(f"{at}/leases", leases, unheard=release),
        post(f"{at}/pairs", pairs, unheard=release),
        post(f"{at}/renewals", renewals),
        post(f"{at}/releases", releases),
        post(f"{at}/answers", answers),
        post(f"{at}/undo", undo),
        post(f"{at}/classes", classes),
        get(f"{at}/groups/{{run}}/{{number:int}}", group),
        post(f"{at}/groups", whole_group, least=Role.REVIEWER),
        bytes_of(f"{at}/thumbnails", "application/octet-stream", thumbnails),
        bytes_of(f"{at}/images/{{row:int}}", "image/jpeg", image),
        Route("/words", words),
        Mount(MODULES, Modules(directory=modules)),
        *review_routes(),
        *explore_routes(),
        *setup_routes(),
    ]


async def words(_: Request) -> Response:
    """All text that the browser's modules show."""
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return JSONResponse({"language": language(), "texts": catalogue()}, headers=headers)


def state(request: Request) -> Answer:
    """The schema, how far the work is, and what the loop does.

    `phase` is that of the loop, NONE when there is no loop, UNKNOWN when nobody answers; `proved` the
    share of images that is proved to be right, in words, empty when nothing is; `group` what became of
    the last cluster that was to be labelled as a whole, null when there was none.
    """
    collection = request.path_params["collection"]
    schema = client().catalog.schema(collection)
    progress = client().labels.progress(collection)
    return {
        "schema": wire.schema(schema),
        "progress": wire.progress(progress),
        "group": _newest_group(collection, schema),
        **_loop(collection),
    }


def _newest_group(collection: str, schema: Schema) -> Answer | None:
    newest = next(client().labels.audits(collection, limit=1), None)
    return wire.group(newest, schema) if newest and newest.cluster else None


def _loop(collection: str) -> Answer:
    try:
        loop = client().selection.get(collection)
    except NotFound:
        return {"phase": "NONE", "trouble": "", "proved": ""}
    except ServiceError as error:
        return {"phase": "UNKNOWN", "trouble": in_words(error), "proved": ""}
    proved = wire.proved(loop.proved_accuracy)
    return {"phase": loop.phase, "trouble": loop.trouble, "proved": proved}


def work(request: Request) -> Answer:
    """What is being prepared, in words; empty when nothing is."""
    for service in _PREPARING:
        with suppress(ServiceError):
            for run in client().runs(service).recent(request.path_params["collection"], limit=5):
                if not run.state.ended:
                    return {"work": _in_words(run)}
    return {"work": ""}


def _in_words(run: Run) -> str:
    step = say(_STEPS[run.kind]) if run.kind in _STEPS else run.kind
    if not run.total:
        return step
    return say("label.step_amount", step=step, done=run.done, total=run.total, unit=run.unit)


def leases(collection: str, body: Body) -> Answer:
    """Lease pages for so long that the browser can renew them, which it does at once."""
    # First what may fail: a lease that never arrives is lost until its time is over.
    progress = client().labels.progress(collection)
    found = client().labels.lease(
        collection,
        person().named(body["annotator"]),
        limit=wire.whole(body["limit"]),
        ttl_seconds=_FIRST_SECONDS,
    )
    return {"leases": [wire.lease(each) for each in found], "progress": wire.progress(progress)}


def pairs(collection: str, body: Body) -> Answer:
    """Lease pairs of images that wait to be judged, whatever the queue holds, as pages of a screen each."""
    progress = client().labels.progress(collection)
    found = []
    for _ in range(min(_MOST_PAIR_PAGES, wire.whole(body["limit"]))):
        lease = client().labels.lease_pairs(
            collection, person().named(body["annotator"]), ttl_seconds=_FIRST_SECONDS
        )
        if lease is None:
            break
        found.append(lease)
    return {"leases": [wire.lease(each) for each in found], "progress": wire.progress(progress)}


def release(collection: str, leased: Answer) -> None:
    """Give the pages back that nobody is there to look at."""
    client().labels.release(collection, [each["token"] for each in leased["leases"]])


def renewals(collection: str, body: Body) -> Answer:
    """Prolong leases."""
    return {
        "tokens": sorted(
            client().labels.renew(
                collection, wire.to_tokens(body["tokens"]), annotator=person().name
            )
        )
    }


def releases(collection: str, body: Body) -> Answer:
    """Give pages back."""
    client().labels.release(collection, wire.to_tokens(body["tokens"]), annotator=person().name)
    return {}


def answers(collection: str, body: Body) -> Answer:
    """Take answers in order; each is acknowledged or refused by itself.

    `left_out` says of how many images an answer was not taken: it came late, and others have them.

    A service that is away fails the whole request, and the browser sends it again.
    """
    given = body["answers"]
    if not isinstance(given, list) or len(given) > _MOST_ANSWERS:
        raise InvalidArgument(say("label.too_many_answers", most=_MOST_ANSWERS), field="answers")
    taken = [_answer(collection, each) for each in given]
    return {"answers": taken, "progress": wire.progress(client().labels.progress(collection))}


def _answer(collection: str, answer: Body) -> Answer:
    request_id = wire.to_id(answer["request_id"])
    try:
        taken = _submit(collection, answer, request_id)
    except ServiceError as error:
        if is_away(error):
            raise
        why = say("label.others_have_it") if error.reason == "LEASE_FENCED" else error.message
        return {"request_id": request_id, "refused": why, "reason": error.reason}
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        return {"request_id": request_id, "refused": f"{error!r:.200}", "reason": "MALFORMED"}
    return {"request_id": request_id, "seq": taken.seq, "left_out": len(taken.left_out)}


def _submit(collection: str, answer: Body, request_id: str) -> Taken:
    return client().labels.answer(
        collection,
        wire.whole(answer["token"]),
        [wire.to_judgement(each) for each in answer["judgements"]],
        seconds=float(answer["seconds"]),
        request_id=request_id,
        annotator=person().name,
    )


def undo(collection: str, body: Body) -> Answer:
    """Take a decision back (`seq` 0 = the annotator's last) and lease its page again, with what was said."""
    undone = client().labels.undo(
        collection,
        person().named(body["annotator"]),
        seq=wire.whole(body["seq"]),
        lease_again=True,
        only_own=person().role < Role.REVIEWER,
        request_id=wire.to_id(body["request_id"]),
    )
    return {
        "lease": wire.lease(undone.lease) if undone.lease else None,
        "judgements": [wire.judgement(each) for each in undone.event.judgements],
    }


def classes(collection: str, body: Body) -> Answer:
    """Add a class."""
    return wire.schema(client().catalog.add_classes(collection, [str(body["name"])]))


def group(request: Request) -> Answer:
    """How many images are in a cluster, and how many of them may be wrong for it to be labelled as a whole."""
    at = request.path_params
    found = client().index.cluster_of(at["collection"], at["run"], at["number"])
    return {"size": found.size, "allowed": at_most(_allowed_error(at["collection"]))}


def whole_group(collection: str, body: Body) -> Answer:
    """Let all of a cluster be of one class, if a random sample proves it."""
    audit = client().labels.label_cluster(
        collection,
        str(body["cluster"]),
        wire.whole(body["class_id"]),
        allowed_error=_allowed_error(collection),
        tokens=wire.to_tokens(body["tokens"]),
        request_id=wire.to_id(body["request_id"]),
    )
    return {"sample": audit.sample, "most": audit.most_sample, "total": audit.total}


def _allowed_error(collection: str) -> float:
    """What the collection's target leaves, also for one of its clusters."""
    target = client().selection.get(collection).target_accuracy
    return 1 - target if target else _USUAL_ERROR


def thumbnails(request: Request) -> bytes:
    """The thumbnails of `rows`, packed; an empty one for an image that can't be shown."""
    rows = [int(each) for each in request.query_params.get("rows", "").split(",")]
    if len(rows) > _MOST_PICTURES:
        raise InvalidArgument(say("label.too_many_pictures", most=_MOST_PICTURES), field="rows")
    found = client().catalog.thumbnails(request.path_params["collection"], rows)
    return wire.packed([found.get(each, b"") for each in rows])


def image(request: Request) -> bytes:
    """One image, large."""
    return client().catalog.image(request.path_params["collection"], request.path_params["row"])
