"""Where each artifact is, and what it holds: a contract between the services, like the protos.

Nobody builds a store path by hand. Paths are relative to the root of the store. `n` is the number of
rows of a part, `N` of the collection, `m` of the rows that have a vector.

A collection grows by appending. Its last part may therefore be replaced by a longer version that
begins with the same rows; a reader compares the `rows` in the manifest with what it has.

Every folder of artifacts has a `manifest.json` (see `manifest.py`). Folders that hold one subfolder a
run also have a `latest.json`, `{"run": id}`, replaced last, so that it always names a complete run.
"""

import re
from collections.abc import Callable, Iterable

from hundredfold.chassis.errors import InvalidArgument

LAYOUT_VERSION = 1
PART_ROWS = 65_536

_COLLECTION = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,126}@[1-9][0-9]{0,8}")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_PART = re.compile(r"part-(\d{5,})\.")


def _checked(pattern: re.Pattern[str], value: str, field: str) -> str:
    if not pattern.fullmatch(value):
        raise InvalidArgument(
            f"{field} {value!r} is not of the form {pattern.pattern}", field=field
        )
    return value


def check_collection(collection: str) -> str:
    """Return the name if it may be one, else raise InvalidArgument."""
    return _checked(_COLLECTION, collection, "collection")


def check_model(model: str, field: str = "model") -> str:
    """Return `name@version` if it is of that form, else raise InvalidArgument."""
    return _checked(_MODEL, model, field)


def name_and_version(model: str, field: str = "model") -> tuple[str, int]:
    """The two halves of `name@version`; InvalidArgument when it is not of that form."""
    name, _, version = check_model(model, field).partition("@")
    return name, int(version)


def check_run(run: str, field: str = "run_id") -> str:
    """Return the run id if it may be one, else raise InvalidArgument."""
    return _checked(_RUN, run, field)


def part_of(row: int) -> int:
    """The number of the part that holds a row."""
    return row // PART_ROWS


def _part(part: int) -> str:
    return f"part-{part:05d}"


def part_numbers(names: Iterable[str], name_of: Callable[[int], str]) -> list[int]:
    """The parts that have an artifact among these names, ascending.

    Args:
        names: of artifacts of any kind, such as the entries of a manifest.
        name_of: the name of the artifact of a part, such as `vectors_part`.
    """
    matches = ((name, _PART.match(name)) for name in names)
    numbers = ((name, int(match[1])) for name, match in matches if match)
    return sorted(number for name, number in numbers if name_of(number) == name)


# --- catalog ------------------------------------------------------------------------------------


def collections() -> str:
    """The folder of all collections."""
    return "collections"


def collection(collection: str) -> str:
    """The folder of a collection."""
    return f"collections/{check_collection(collection)}"


def collection_record(collection_: str) -> str:
    """JSON: {"collection", "created_at", "request_id"}. It is there if and only if the collection is."""
    return f"{collection(collection_)}/collection.json"


def schema(collection_: str) -> str:
    """JSON: {"version": n, "classes": [{"class_id", "name", "key", "color", "parent_id", "merged_into", "guideline", "examples"}], "events": [..], "several": whether an image may be of several of them}."""
    return f"{collection(collection_)}/schema.json"


def images(collection_: str) -> str:
    """The folder of image parts. Its manifest's entry of a part has {"rows": n, "ok": n}."""
    return f"{collection(collection_)}/images"


def images_part(part: int) -> str:
    """Parquet [n]: row int64, uri string, key string, sha256 binary (32 bytes or null), width int32, height int32, format string, status string ("ok" or a reason in UPPER_SNAKE), error string, label string or null, tags list<string>, size int64 (bytes of the encoded image; null where not known)."""
    return f"{_part(part)}.parquet"


def thumbs(collection_: str) -> str:
    """The folder of thumbnails."""
    return f"{collection(collection_)}/thumbs"


def thumbs_part(part: int) -> str:
    """The JPEGs of a part, one after the other."""
    return f"{_part(part)}.jpegs"


def thumbs_offsets(part: int) -> str:
    """int64 [n + 1]: where each JPEG begins; equal neighbours mean that there is none."""
    return f"{_part(part)}.offsets.npy"


# --- hashing ------------------------------------------------------------------------------------


def all_hashes(collection_: str) -> str:
    """The folder of all kinds of hash of a collection."""
    return f"{collection(collection_)}/hashes"


def hashes(collection_: str, algorithm: str) -> str:
    """The folder of one kind of hash, such as `phash-exact-1`."""
    return f"{all_hashes(collection_)}/{_checked(_RUN, algorithm, 'algorithm')}"


def hashes_part(part: int) -> str:
    """uint64 [n]; 0 for an image that is not "ok" (and for a blank one: look at the status). Its manifest's entry has {"rows": n, "failed": f}."""
    return f"{_part(part)}.npy"


def hashes_failed(part: int) -> str:
    """int64 [f], ascending: places in the part of images that are "ok" but could not be hashed, being gone or changed since; only where f > 0."""
    return f"{_part(part)}.failed.npy"


def duplicates(collection_: str, run: str) -> str:
    """The folder of one FindDuplicates run."""
    return f"{collection(collection_)}/duplicates/{check_run(run, 'duplicates')}"


def duplicates_latest(collection_: str) -> str:
    """JSON {"run": id} of the newest FindDuplicates run that is complete."""
    return f"{collection(collection_)}/duplicates/latest.json"


NEAR_VALUES = "near.npy"
"""uint64 [p, 2]: the pairs of pHash values that are 1 to radius bits apart, from which a later run goes on; only where they are not too many."""

REPRESENTATIVE = "representative.npy"
"""int64 [N]: of each row the row that represents it, itself if it is one, -1 if it is not "ok"."""

DUPLICATE_KIND = "kind.npy"
"""uint8 [N]: 1 for a copy of the very bytes of its representative, 2 for another copy, 0 for an image that is none."""

DUPLICATE_DISTANCE = "distance.npy"
"""uint8 [N]: bits between the pHash of a row and that of its representative."""

PAIRS = "pairs.npy"
"""int64 [p, 2], the left row the smaller one: pairs of representatives that look alike and that a person is to judge, the likeliest copies first; only where there are any."""

PAIR_DISTANCE = "pair_distance.npy"
"""uint8 [p]: bits between the pHashes of each pair, at most 64."""


def leaks(collection_: str, run: str) -> str:
    """The folder of one FindLeaks run; its manifest has {"sides": [names], "counts": [from][to]}."""
    return f"{collection(collection_)}/leaks/{check_run(run, 'leaks')}"


def leaks_latest(collection_: str) -> str:
    """JSON {"run": id} of the newest FindLeaks run that is complete."""
    return f"{collection(collection_)}/leaks/latest.json"


LEAK_ROWS = "rows.npy"
"""int64 [m, 2]: images that have a copy on another side, and the nearest such copy, the nearest pairs first."""

LEAK_SIDES = "sides.npy"
"""uint8 [m, 2]: the side of each."""

LEAK_DISTANCE = "distance.npy"
"""uint8 [m]: bits between their pHashes."""


# --- embedding ----------------------------------------------------------------------------------


def all_vectors(collection_: str) -> str:
    """The folder of all spaces of a collection."""
    return f"{collection(collection_)}/vectors"


def vectors(collection_: str, space: str) -> str:
    """The folder of a space; its manifest has {"model", "dimensions"}, that of vectors from elsewhere also {"imported": digest of their file}."""
    return f"{all_vectors(collection_)}/{check_model(space, 'space')}"


def vectors_part(part: int) -> str:
    """float16 [m, d], length 1, no NaN."""
    return f"{_part(part)}.npy"


def vectors_rows(part: int) -> str:
    """int64 [m], ascending: the row of each vector."""
    return f"{_part(part)}.rows.npy"


def first_rows(collection_: str) -> str:
    """The folder of rows that are to be embedded first, while the run is at work that was asked to."""
    return f"{collection(collection_)}/first-rows"


def first_rows_file(digest: str) -> str:
    """int64 [n], each once, in the order they are wanted; named by the sha256 of their bytes."""
    return f"{_checked(_RUN, digest, 'digest')}.npy"


# --- index --------------------------------------------------------------------------------------


def clusters(collection_: str, run: str) -> str:
    """The folder of one Cluster run, or of what became of one when people split or merged its clusters; its manifest has {"space", "count"}, that of an edited one also {"edits": [[run, [numbers changed in it]], ..], oldest first}."""
    return f"{collection(collection_)}/clusters/{check_run(run, 'clusters')}"


def clusters_latest(collection_: str) -> str:
    """JSON {"run": id, "space": .., "count": k} of the newest clustering that is complete; of an edited one also {"began_with": k of the Cluster run, "edited": [runs that it came from, oldest first]}."""
    return f"{collection(collection_)}/clusters/latest.json"


CLUSTER_ROWS = "rows.npy"
"""int64 [m]: the rows clustered, ascending."""

CLUSTER_ASSIGNMENT = "assignment.npy"
"""int32 [m]: the cluster of each."""

CLUSTER_DISTANCE = "distance.npy"
"""float32 [m]: 1 - cosine to the centre of its cluster."""

CLUSTER_ORDER = "order.npy"
"""int64 [m]: positions in the arrays above, cluster after cluster, within one the nearest to its centre first."""

CLUSTER_CENTROIDS = "centroids.npy"
"""float32 [k, d], length 1, in the space of the backbone."""

CLUSTER_MEDOIDS = "medoids.npy"
"""int64 [k]: the row nearest to each centre, -1 for an empty cluster."""

CLUSTER_SIZES = "sizes.npy"
"""int64 [k]."""

CLUSTER_SPREADS = "spreads.npy"
"""float32 [k]: mean distance."""

CLUSTER_DENSITIES = "densities.npy"
"""int64 [k]: images within the median of all distances, in the manifest as {"radius"}, of the centre; older clusterings lack it."""

CLUSTER_IDS = "ids.npy"
"""int64 [k]: what each cluster is called for good: one that shares more than half of its images with one of the clustering before has the same. The manifest has {"next_id"}: no cluster has had this, or a greater one. Older clusterings lack both: their ids are their numbers."""


def indexes(collection_: str) -> str:
    """The folder of all indexes of a collection."""
    return f"{collection(collection_)}/index"


def index(collection_: str, space: str) -> str:
    """The folder of the index of a space."""
    return f"{indexes(collection_)}/{check_model(space, 'space')}"


INDEX_FILE = "index.faiss"
INDEX_ROWS = "rows.npy"
"""int64 [m], ascending: the row of each vector of the index."""


def index_milvus(collection_: str, space: str) -> str:
    """The folder of what is known of the builds of the index of a space that are in Milvus, a subfolder each."""
    return f"{collection(collection_)}/index-milvus/{check_model(space, 'space')}"


def index_milvus_build(collection_: str, space: str, mark: str) -> str:
    """The folder of one of them: INDEX_ROWS once it is finished, and in the manifest {"filled": rows that were put}."""
    return f"{index_milvus(collection_, space)}/{check_run(mark, 'mark')}"


def index_removed(collection_: str, space: str) -> str:
    """The folder of what was removed from the index of a space, whichever index that is."""
    return f"{collection(collection_)}/index-removed/{check_model(space, 'space')}"


REMOVED_ROWS = "rows.npy"
"""int64 [r], ascending: rows that no search finds."""


def maps(collection_: str, run: str) -> str:
    """The folder of one map."""
    return f"{collection(collection_)}/maps/{check_run(run, 'map')}"


def maps_latest(collection_: str) -> str:
    """JSON {"run": id} of the newest map that is complete."""
    return f"{collection(collection_)}/maps/latest.json"


MAP_ROWS = "rows.npy"
"""int64 [m]."""

MAP_POINTS = "points.npy"
"""float32 [m, 2], within -1 to 1."""

MAP_MEAN = "mean.npy"
"""float32 [d]: of the vectors, taken off before they are turned to their main axes."""

MAP_AXES = "axes.npy"
"""float32 [d, p]: the main axes."""

MAP_LANDMARKS = "landmarks.npy"
"""float32 [l, p]: the images that new ones are placed by, along the main axes."""

MAP_LANDMARK_POINTS = "landmark-points.npy"
"""float32 [l, 2]: where they are."""


# --- training -----------------------------------------------------------------------------------


def model(name_at_version: str) -> str:
    """The folder of one version of a model, in Triton's layout: `models/<name>/<version>`."""
    name, version = name_and_version(name_at_version)
    return f"models/{name}/{version}"


def models() -> str:
    """The model repository."""
    return "models"


def model_config(name: str) -> str:
    """Triton's config of a model."""
    return f"models/{name}/config.pbtxt"


MODEL_FILE = "model.onnx"
MODEL_WEIGHTS = "features.safetensors"
"""The state dict of the network up to its pooled features, to go on training from; not every version has it."""

MODEL_TEXT = "text.onnx"
"""The half of a dual encoder that embeds texts: "tokens" int64 [n, length] to "embedding" float32 [n, d]; few models have it."""

MODEL_TOKENIZER = "tokenizer.json"
"""Makes the tokens: a file of the library `tokenizers`; beside every `text.onnx`."""

MODEL_CARD = "model.json"
"""What the model is: {"model", "kind", "dimensions", "input_pixels", "source", "licence", "recipe", "tuned": null or {"parent", "collection", "labels_seq", "labels", "seconds"}, "preprocessing": null or {"mean", "deviation", "channels"}, "text": null or {"length", "pad"}, ..}."""


def finetune() -> str:
    """The folder where trainings of backbones keep images and checkpoints, unless told another; nothing in it is an artifact."""
    return "finetune"


def heads(collection_: str) -> str:
    """The folder of the heads of a collection: `<model>.safetensors` with its card `<model>.json`."""
    return f"{collection(collection_)}/heads"


def heads_promoted(collection_: str) -> str:
    """JSON {"model": name@version, "before": [name@version, ..], "withdrawn": name@version or ""}: the head in use, those before (newest first), and the one that was rolled back last."""
    return f"{collection(collection_)}/heads/promoted.json"


def all_predictions(collection_: str) -> str:
    """The folder of the predictions of all heads."""
    return f"{collection(collection_)}/predictions"


def predictions(collection_: str, model_: str) -> str:
    """The folder of the predictions of one head."""
    return f"{all_predictions(collection_)}/{check_model(model_)}"


def predictions_part(part: int) -> str:
    """npz: rows int64 [m], top int32 [m] (class id), second int32 [m] (class id, 0 = none), probability float32 [m], margin float32 [m]; where classes have parents also parent int32 [m] (class id to ask about, 0 = none), parent_probability float32 [m]. Where an image may be of several classes: rows int64 [m], starts int64 [m + 1], class_ids int32 [p] (the classes that may well be of each image), probability float32 [p], rest_class_ids int32 [C] (all classes of the head), rest_probability float32 [C] (mean of each where it was left out)."""
    return f"{_part(part)}.npz"


# --- labels, selection, runs --------------------------------------------------------------------


def label_snapshots(collection_: str) -> str:
    """The folder of snapshots of the folded ledger: two artifacts each, the newest three."""
    return f"{collection(collection_)}/labels"


def label_snapshot(seq: int) -> str:
    """Parquet: row int64, class_id int32, seq int64, origin uint8 (kind of the page, 0 import, 127 certificate): the labels after event `seq`, copies not counted, merged classes as they were given."""
    return f"snapshot-{seq:012d}.parquet"


def label_state(seq: int) -> str:
    """npz: what else the fold needs to go on after event `seq`: unsure_rows int64 [u], unsure_given int64 [u], refused int64 [m] (row << 32 | class it is not of), contradicted int64 [c] (the same, of labels given in spite of that), undone int64 [k], recent int64 [r, 2] (Unix second, labels given), actors str [p], people int64 [p, 7] (decisions, images, microseconds, planted, found, kicked, corrected), pairs int64 [q, 3] (smaller row << 31 | larger row, verdict, seq), kept int64 [k, 2] (row that stands for others, seq), pair_microseconds int64, scalars int64 [4] (seq, cleared, decisions, microseconds)."""
    return f"snapshot-{seq:012d}.state.npz"


def pair_judgements(collection_: str) -> str:
    """npz: what people say of pairs of images, the newest word on each pair; pairs that they were unsure of are left out. left int64 [n], right int64 [n], same bool [n] (whether they show the same picture), left < right, ascending; keep int64 [k]: images that are to stand for what they are the same as, the newest choice first; seq int64: the event up to which it was read. Labels writes it when a judgement or what takes one back is in the ledger, and again within a minute when that failed; it is absent before the first one."""
    return f"{collection(collection_)}/pairs/judgements.npz"


def audit(collection_: str, audit_id: str) -> str:
    """The folder of one audit: what was drawn from, immutable. Its manifest has {"model", "cluster"}."""
    return f"{collection(collection_)}/audits/{check_run(audit_id, 'audit_id')}"


AUDIT_ROWS = "rows.npy"
"""int64 [m], ascending: the population, images that nobody had labelled."""

AUDIT_CLASSES = "classes.npy"
"""int32 [m]: the class that each would get."""

AUDIT_PROBABILITIES = "probabilities.npy"
"""float32 [m]: how sure the head is; 1 for a cluster."""

AUDIT_SAMPLE = "sample.npy"
"""int64 [s], ascending: the rows drawn."""


def export(collection_: str, run: str) -> str:
    """The folder that an export without a destination writes to."""
    return f"{collection(collection_)}/exports/{check_run(run)}"


def loop(collection_: str) -> str:
    """JSON: the settings and place of the loop."""
    return f"{collection(collection_)}/loop/loop.json"


def uploads(service: str) -> str:
    """The folder of files that somebody sent for runs of a service to read, each `<Unix seconds>-<random>-<name>`."""
    return f"uploads/{_checked(_RUN, service, 'service')}"


def runs(service: str) -> str:
    """The folder of a service's runs, a JSON each."""
    return f"runs/{_checked(_RUN, service, 'service')}"
