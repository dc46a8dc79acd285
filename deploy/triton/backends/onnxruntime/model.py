"""A Triton backend `onnxruntime` in Python, for servers that were built without the real one.

Put this folder beside Triton's own `python` backend (`--backend-directory`): models whose
`config.pbtxt` says `platform: "onnxruntime_onnx"` are then run by the Python package `onnxruntime`, from
the very same model repository. Needs `numpy<2` and `onnxruntime` where Triton's Python stub finds them:
with numpy 2 the stub of Triton 2.51 hands over wrong data without a word.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils  # comes with Triton's python backend

if not np.__version__.startswith("1."):
    raise RuntimeError(f"numpy {np.__version__}: this backend needs numpy<2")

_PIECE = 8
"""Images that one thread runs at once: on processors larger pieces take more memory and no less time."""


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
        cores = 1 if on_gpu else len(os.sched_getaffinity(0))
        self.pool = ThreadPoolExecutor(cores)
        self.session = _session(folder, on_gpu)

    def execute(self, requests: list) -> list:
        """Run the requests that Triton put together, in pieces side by side."""
        wanted = [self._wanted(request) for request in requests]
        pieces = [
            self._pieces(request, names) for request, names in zip(requests, wanted, strict=True)
        ]
        return [
            _response(names, [piece.result() for piece in running])
            for names, running in zip(wanted, pieces, strict=True)
        ]

    def finalize(self) -> None:
        """End the threads."""
        self.pool.shutdown()

    def _wanted(self, request: object) -> list:
        """What the caller asked for, and no more: logits that nobody reads cost time too."""
        asked = set(request.requested_output_names())
        return [name for name in self.outputs if name in asked]

    def _pieces(self, request: object, names: list) -> list:
        feeds = {
            name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in self.inputs
        }
        images = len(next(iter(feeds.values())))
        return [
            self.pool.submit(
                self.session.run,
                names,
                {name: feed[begin : begin + self.piece] for name, feed in feeds.items()},
            )
            for begin in range(0, images, self.piece)
        ]


def _response(names: list, results: list) -> object:
    columns = (np.concatenate(column) for column in zip(*results, strict=True))
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, column) for name, column in zip(names, columns, strict=True)]
    )
