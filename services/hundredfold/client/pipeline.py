"""From a source to the first page: ingest -> hash -> drop copies -> embed -> cluster -> loop.

Each step is idempotent: running the pipeline again continues where it ended, or takes in what is new.
"""

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from hundredfold.chassis.errors import Aborted, Conflict, NotFound
from hundredfold.chassis.run_book import State
from hundredfold.client.client import SERVICES, Client
from hundredfold.client.patience import patiently
from hundredfold.client.runs import OnProgress
from hundredfold.client.types import Loop, Run

DUPLICATE_RADIUS = 2
SEED_CLUSTERS_PER_CLASS = 2
_RECENT_RUNS = 1000


@dataclass(frozen=True)
class Options:
    """What a pipeline does.

    Attributes:
        columns: `label_column` and the other columns of a table, and `limit`.
        classes: names of classes to begin with; people may add more while labelling.
        expected_classes: how many classes there may be; 0 = those named, or chosen by size.
        radius: bits in which both hashes of copies may differ.
        model: the backbone, `name@version`; empty = the default.
        space: of vectors that were imported, which are used instead of a backbone's; empty = embed.
        find_copies: else every image is labelled by itself, to measure what that costs.
        several: an image may be of several classes; said before the first class is there.
    """

    columns: dict[str, str | int]
    classes: tuple[str, ...] = ()
    expected_classes: int = 0
    radius: int = DUPLICATE_RADIUS
    model: str = ""
    find_copies: bool = True
    several: bool = False
    space: str = ""

    @property
    def expected(self) -> int:
        """Classes expected; 0 = nobody said."""
        return self.expected_classes or len(self.classes)


@dataclass(frozen=True)
class Bootstrapped:
    """What a pipeline made."""

    runs: tuple[Run, ...]
    loop: Loop


def bootstrap(
    client: Client,
    source: str,
    collection: str,
    options: Options,
    on_progress: OnProgress = lambda _: None,
    *,
    begun: Run | None = None,
) -> Bootstrapped:
    """Run the whole pipeline and start the loop; one that was started before goes on as it is.

    New images are placed on the map if there is one. A service that goes away and comes back within five minutes does not end it.

    Args:
        client: of all services.
        source: where images are.
        collection: its name.
        options: what is done.
        on_progress: is told of each change of each run.
        begun: the first step, where `begin` began it already.

    Raises:
        Conflict: NO_IMAGES, the collection has no image that can be used; or a run failed.
        Unavailable: a service does not answer at the start, or stayed away.
    """
    client.require(*SERVICES)
    begun = begun or begin(client, source, collection, options)
    runs = list(_steps(client, source, begun, options, on_progress))
    space = options.space or next(run.result["space"] for run in runs if run.service == "embedding")
    if options.classes:
        patiently(lambda: client.catalog.add_classes(collection, options.classes))
    loop = _loop(client, collection)
    if loop is None or not goes_on(loop, space, options):
        loop = patiently(
            lambda: client.selection.start(
                collection, space=space, expected_classes=options.expected
            )
        )
    elif loop.space != space:
        runs.append(_embed_better(client, loop, runs, on_progress))
    runs.extend(_place_on_map(client, collection, on_progress))
    return Bootstrapped(tuple(runs), loop)


def _loop(client: Client, collection: str) -> Loop | None:
    try:
        return patiently(lambda: client.selection.get(collection))
    except NotFound:
        return None


def goes_on(loop: Loop, space: str, options: Options) -> bool:
    """Whether a loop stays as it is, with its target and with a better space that it has found.

    Args:
        loop: that was started before.
        space: in which the pipeline has embedded.
        options: of the pipeline.
    """
    before = {each.before for each in loop.backbone_rounds if each.promoted}
    return space in {loop.space, *before} and options.expected in {0, loop.expected_classes}


def _embed_better(client: Client, loop: Loop, runs: Sequence[Run], on_progress: OnProgress) -> Run:
    """Give images that are new a vector in the space that the loop works in by now."""
    duplicates = next((run.result["duplicates"] for run in runs if run.kind == "duplicates"), "")
    request_id = str(uuid.uuid4())
    run = patiently(
        lambda: client.embedding.embed_collection(
            loop.collection, model=loop.space, duplicates=duplicates, request_id=request_id
        )
    )
    return client.embedding.runs.wait(run.run_id, on_progress)


def _place_on_map(client: Client, collection: str, on_progress: OnProgress) -> Iterator[Run]:
    """Place images that came since on the map, where somebody had one made; all others stay where they are."""
    recent = patiently(lambda: client.index.runs.recent(collection, limit=_RECENT_RUNS))
    maps = (run for run in recent if run.kind == "project" and run.state is State.SUCCEEDED)
    newest = next(maps, None)
    if newest is None:
        return
    space, request_id = str(newest.parameters["space"]), str(uuid.uuid4())
    try:
        run = patiently(
            lambda: client.index.project(collection, space, only_new=True, request_id=request_id)
        )
    except (NotFound, Conflict, Aborted):
        return  # the space is gone, and the map of it stays; or it is being made anew at this moment
    yield client.index.runs.wait(run.run_id, on_progress)


def ingest(
    client: Client, source: str, collection: str, options: Options, on_progress: OnProgress
) -> Run:
    """The first step alone; Conflict where `several` comes too late: the collection has classes."""
    client.require("catalog")
    run = begin(client, source, collection, options)
    return client.catalog.runs.wait(run.run_id, on_progress)


def begin(client: Client, source: str, collection: str, options: Options) -> Run:
    """Begin the first step; what is wrong with the source or the name is told at once.

    Raises:
        InvalidArgument: the name or the source is none.
        PermissionDenied: the services may not read the source.
        NotFound: it is not there.
        Aborted: other images are being taken in.
        Conflict: `several` comes too late: the collection has classes.
    """
    request_id = str(uuid.uuid4())
    run = patiently(
        lambda: client.catalog.ingest(collection, source, request_id=request_id, **options.columns)
    )
    if options.several:
        patiently(lambda: client.catalog.set_several(collection))
    return run


def options_of(ingest: Run) -> tuple[str, Options]:
    """The source and the options of an earlier ingest, to go on with them."""
    asked = dict(ingest.parameters)
    source = str(asked.pop("source"))
    return source, Options(columns={name: value for name, value in asked.items() if value})


def named_after(source: str) -> str:
    """A collection's name for a source: that of its folder or file, in allowed characters."""
    path = PurePosixPath(source.partition("://")[2] or source)
    named = path.parent if path.name.lower() in {"images", "img"} else path
    name = re.sub(r"[^a-z0-9_-]+", "-", named.name.split(".")[0].lower()).strip("-_")
    return name[:63] or "images"


def _steps(
    client: Client, source: str, begun: Run, options: Options, on_progress: OnProgress
) -> Iterator[Run]:
    collection = begun.collection
    yield client.catalog.runs.wait(begun.run_id, on_progress)
    _check_usable(client, source, collection)
    duplicates = ""
    if options.find_copies:
        found = list(_find_copies(client, collection, options.radius, on_progress))
        yield from found
        duplicates = found[-1].result["duplicates"]
    ids = [str(uuid.uuid4()) for _ in range(3)]
    space = options.space
    if not space:
        run = patiently(
            lambda: client.embedding.embed_collection(
                collection, model=options.model, duplicates=duplicates, request_id=ids[0]
            )
        )
        embedded = client.embedding.runs.wait(run.run_id, on_progress)
        space = embedded.result["space"]
        yield embedded

    run = patiently(lambda: client.index.build(collection, space, request_id=ids[1]))
    yield client.index.runs.wait(run.run_id, on_progress)

    run = patiently(
        lambda: client.index.cluster(
            collection,
            space,
            clusters=SEED_CLUSTERS_PER_CLASS * options.expected,
            request_id=ids[2],
        )
    )
    yield client.index.runs.wait(run.run_id, on_progress)


def _find_copies(
    client: Client, collection: str, radius: int, on_progress: OnProgress
) -> Iterator[Run]:
    ids = [str(uuid.uuid4()) for _ in range(2)]
    run = patiently(lambda: client.hashing.hash_collection(collection, request_id=ids[0]))
    yield client.hashing.runs.wait(run.run_id, on_progress)

    run = patiently(
        lambda: client.hashing.find_duplicates(collection, radius=radius, request_id=ids[1])
    )
    yield client.hashing.runs.wait(run.run_id, on_progress)


def _check_usable(client: Client, source: str, collection: str) -> None:
    found = patiently(lambda: client.catalog.get(collection))
    if found.images > found.failed:
        return
    if not found.images:
        raise Conflict(f"there is no image in {source}", reason="NO_IMAGES")
    first = next(client.catalog.images(collection, failed_only=True))
    raise Conflict(
        f"none of the {found.images:,} images of {collection} can be used; {first.key}: {first.error}",
        reason="NO_IMAGES",
    )
