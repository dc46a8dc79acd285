"""The training service where an image may be of several classes, with a stand-in of the labels service."""

import numpy as np
import pytest
from safetensors.numpy import load

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.api.training.v1 import training_pb2 as pb
from hundredfold.api.training.v1 import training_pb2_grpc
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.chassis.testing import serving
from hundredfold.training.finetune_job import KIND, FineTune, Tuner
from hundredfold.training.fitting import Fitter
from hundredfold.training.judging import Judge
from hundredfold.training.peers import Ledger
from hundredfold.training.servicer import TrainingServicer, training_mount
from hundredfold.training.spaces import Spaces
from hundredfold.training.store import HeadStore
from tests.contract.index_spaces import COLLECTION, SPACE, make_collection, write_space
from tests.contract.ledger_stand_in import LedgerStandIn

COUNT, DIMENSIONS = 300, 16
HAT, BAG, SHOE = 1, 2, 3
_RANDOM = np.random.default_rng(3)
TRUTH = _RANDOM.random((COUNT, 2)) < 0.4  # of hat and bag; nobody has a shoe
_MIXED = TRUTH @ np.eye(2, DIMENSIONS) + 0.05 * _RANDOM.normal(size=(COUNT, DIMENSIONS)) + 0.2
VECTORS = (_MIXED / np.linalg.norm(_MIXED, axis=1, keepdims=True)).astype(np.float16)
ROWS = np.arange(COUNT, dtype=np.int64)


class PairLedger(LedgerStandIn):
    """Says of some images which of the classes they are of and which not."""

    def __init__(self):
        super().__init__()
        self.answered = np.zeros((COUNT, 4), np.int8)

    def answer(self, class_id, rows):
        yes = TRUTH[rows, class_id - 1] if class_id <= TRUTH.shape[1] else np.zeros(len(rows), bool)
        self.answered[rows, class_id] = np.where(yes, 1, -1)
        return self.say()

    def GetLabels(self, request, context):
        yes, no = np.nonzero(self.answered > 0), np.nonzero(self.answered < 0)
        yield labels_pb2.GetLabelsResponse(
            seq=self.seq,
            rows=pack(yes[0]),
            class_ids=pack(yes[1].astype(np.int32)),
            origins=pack(np.ones(len(yes[0]), np.uint8)),
            negative_rows=pack(no[0]),
            negative_class_ids=pack(no[1].astype(np.int32)),
        )


class Served:
    def __init__(self, store, ledger, channel):
        self.store, self.ledger = store, ledger
        self.stub = training_pb2_grpc.TrainingServiceStub(channel)

    def call(self, name, **fields):
        request = getattr(pb, f"{name}Request")(**{"collection": COLLECTION, **fields})
        return getattr(self.stub, name)(request)

    def fit(self):
        return self.call("FitHead", space=SPACE, labels_seq=self.ledger.seq).head

    def predictions(self):
        """Row and class -> probability."""
        found = {}
        for each in self.call("GetPredictions"):
            rows = unpack(each.rows, dtype=np.int64, ndim=1, field="rows")
            classes = unpack(each.class_ids, dtype=np.int32, ndim=1, field="class_ids")
            likely = unpack(each.probabilities, dtype=np.float32, ndim=1, field="probabilities")
            pairs = zip(rows.tolist(), classes.tolist(), strict=True)
            found |= dict(zip(pairs, likely.tolist(), strict=True))
        return found


def write_schema(store, version=3, **merged):
    classes = [
        {"class_id": each, "name": name, "merged_into": merged.get(name, 0)}
        for each, name in ((HAT, "hat"), (BAG, "bag"), (SHOE, "shoe"))
    ]
    document = {"version": version, "classes": classes, "events": [], "several": True}
    store.write_json(layout.schema(COLLECTION), document)


@pytest.fixture
def served(tmp_path):
    store, ledger = ArtifactStore(str(tmp_path)), PairLedger()
    make_collection(store)
    write_schema(store)
    write_space(store, VECTORS, ROWS)
    with serving(ledger.mount()) as to_ledger:
        heads = HeadStore(store, keep=5)
        spaces = Spaces(store, dimensions=8, most=4)
        fitter = Fitter(store, spaces, heads, Ledger(to_ledger, 5.0))
        judge = Judge(store, spaces, heads, Ledger(to_ledger, 5.0))
        job = FineTune(store, Ledger(to_ledger, 5.0), sources=())
        runs = Runs(store, "training", {KIND: job}, at_once=1)
        servicer = TrainingServicer(store, heads, fitter, judge, Tuner(job, runs))
        with serving(training_mount(servicer)) as channel:
            yield Served(store, ledger, channel)
        runs.close()


def test_a_head_says_yes_or_no_of_each_class(served):
    served.ledger.answer(HAT, ROWS[:80])
    served.ledger.answer(BAG, ROWS[40:120])
    head = served.fit()
    assert (list(head.class_ids), head.labels, head.promoted) == ([HAT, BAG], 160, True)
    assert head.accuracy > 0.9
    assert head.expected_error < 0.15
    found = served.predictions()
    told = np.array([[found.get((row, c), 0.0) >= 0.5 for c in (HAT, BAG)] for row in ROWS])
    assert (told == TRUTH)[120:].mean() > 0.95
    assert min(found.values()) >= 0.02


def test_the_head_in_the_store_is_a_calibrated_layer_on_vectors(served):
    served.ledger.answer(HAT, ROWS[:80])
    head = served.fit()
    tensors = load(served.store.read_bytes(f"{layout.heads(COLLECTION)}/{head.model}.safetensors"))
    logits = VECTORS.astype(np.float32) @ tensors["weight"].T + tensors["bias"]
    found = served.predictions()
    for (row, _), chance in found.items():
        assert chance == pytest.approx(1 / (1 + np.exp(-logits[row, 0])), abs=0.02)


def test_a_class_that_nobody_has_is_no_output(served):
    served.ledger.answer(HAT, ROWS[:60])
    served.ledger.answer(SHOE, ROWS[:60])
    assert list(served.fit().class_ids) == [HAT]


def test_one_class_alone_can_be_told(served):
    served.ledger.answer(BAG, ROWS[:60])
    assert served.fit().accuracy > 0.9


def test_without_a_yes_there_is_nothing_to_learn(served):
    served.ledger.answer(SHOE, ROWS[:60])
    with pytest.raises(Conflict) as refused:
        served.fit()
    assert refused.value.reason == "NO_LABELS"


def test_a_head_is_measured_by_class_on_answers_it_has_not_heard(served):
    served.ledger.answer(HAT, ROWS[:80])
    served.ledger.answer(BAG, ROWS[:50])
    served.fit()
    measured = served.call("Evaluate")
    assert (measured.labels, len(measured.classes)) == (130, 2)
    hats = measured.classes[0]
    assert (hats.class_id, hats.yes, hats.yes + hats.no) == (HAT, TRUTH[:80, 0].sum(), 80)
    assert hats.accuracy > 0.9
    assert hats.average_precision > 0.9


def test_a_yes_alone_can_not_be_measured(served):
    served.ledger.answer(HAT, np.flatnonzero(TRUTH[:, 0])[:5])
    served.fit()
    with pytest.raises(Conflict) as refused:
        served.call("Evaluate")
    assert refused.value.reason == "TOO_FEW_LABELS"


def test_the_same_head_is_returned_until_the_schema_changes(served):
    served.ledger.answer(HAT, ROWS[:60])
    first = served.fit()
    assert served.fit().model == first.model
    write_schema(served.store, version=4, shoe=BAG)
    assert served.fit().model != first.model


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("CompareSpaces", {"before": SPACE, "after": SPACE}),
        ("ListSuspicious", {"space": SPACE}),
        ("Train", {"space": SPACE, "request_id": "8a0de4f6-2a60-4bd8-8b0f-1e6f4a3b2c1d"}),
    ],
)
def test_what_takes_one_class_an_image_is_refused(served, name, fields):
    served.ledger.answer(HAT, ROWS[:60])
    with pytest.raises(Conflict) as refused:
        served.call(name, **fields)
    assert refused.value.reason == "SEVERAL_CLASSES"
