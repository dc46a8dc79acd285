"""A Triton backend `onnxruntime` in Python, for servers that were built without the real one.

Put this folder beside Triton's own `python` backend (`--backend-directory`): models whose
`config.pbtxt` says `platform: "onnxruntime_onnx"` are then run by the Python package `onnxruntime`, from
the very same model repository. Needs `numpy<2` and `onnxruntime` where Triton's Python stub finds them:
with numpy 2 the stub of Triton 2.51 hands over wrong data without a word.

Triton gives an instance its next batch when `execute` returns. Here that is when the pieces of the batch have
found places in a short queue, not when they are done: no core waits for the last piece of a batch. Answers are
sent as they are ready, which Triton allows to models that are not decoupled since 2.47 (24.06).
"""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils  # comes with Triton's python backend

if not np.__version__.startswith("1."):
    raise RuntimeError(f"numpy {np.__version__}: this backend needs numpy<2")

_PIECE = 4
"""Images that one thread runs at once: on processors larger pieces take more memory and time."""

_PLACES = 2
"""Pieces taken from Triton for each thread, one that runs and one that follows it at once."""


def _session(folder: Path, on_gpu: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # Pieces run side by side, a thread each: threads of one piece would wait for one another.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    providers = ["CUDAExecutionProvider"] * on_gpu + ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(folder / "model.onnx", options, providers=providers)


class TritonPythonModel:
    """One instance of one version of a model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load `model.onnx` of the version."""
        config = json.loads(args["model_config"])
        self.outputs = [output["name"] for output in config["output"]]
        self.inputs = [tensor["name"] for tensor in config["input"]]
        folder = Path(args["model_repository"]) / args["model_version"]
        on_gpu = args["model_instance_kind"] == "GPU"
        self.piece = config["max_batch_size"] if on_gpu else _PIECE
        # Of several instances each may have all the work, so each may take all the cores.
        threads = 1 if on_gpu else len(os.sched_getaffinity(0))
        self.pool = ThreadPoolExecutor(threads)
        self.places = threading.Semaphore(_PLACES * threads)
        self.session = _session(folder, on_gpu)

    def execute(self, requests: list) -> None:
        """Begin the requests that Triton put together; returns when it may bring more."""
        for request in requests:
            feeds = {
                name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
                for name in self.inputs
            }
            begins = range(0, len(next(iter(feeds.values()))), self.piece)
            answer = _Answer(request, self._wanted(request), len(begins))
            for i, begin in enumerate(begins):
                piece = {name: feed[begin : begin + self.piece] for name, feed in feeds.items()}
                self.places.acquire()
                self.pool.submit(self._run, answer, i, piece)

    def finalize(self) -> None:
        """Answer what was begun and end the threads."""
        self.pool.shutdown()

    def _wanted(self, request: object) -> list:
        """What the caller asked for, and no more: logits that nobody reads cost time too."""
        asked = set(request.requested_output_names())
        return [name for name in self.outputs if name in asked]

    def _run(self, answer: "_Answer", i: int, piece: dict) -> None:
        try:
            answer.add(i, self.session.run(answer.names, piece))
        except Exception as error:  # noqa: BLE001  the runtime's own errors have no common base
            answer.add(i, error)
        finally:
            self.places.release()


class _Answer:
    """What the pieces of a request gave so far; the last one sends it.

    Args:
        request: kept until then, for its pixels lie in Triton's memory.
        names: of the outputs.
        pieces: how many there are.
    """

    def __init__(self, request: object, names: list, pieces: int) -> None:
        self.names = names
        self._request = request
        self._results: list = [None] * pieces
        self._left = pieces
        self._lock = threading.Lock()

    def add(self, i: int, result: list | Exception) -> None:
        """What a piece gave: an array for each name, or an error."""
        with self._lock:
            self._results[i] = result
            self._left -= 1
            is_last = not self._left
        if is_last:
            self._request.get_response_sender().send(
                self._response(), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
            )

    def _response(self) -> object:
        for result in self._results:
            if isinstance(result, Exception):
                return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(result)))
        columns = (np.concatenate(column) for column in zip(*self._results, strict=True))
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(name, column)
                for name, column in zip(self.names, columns, strict=True)
            ]
        )
