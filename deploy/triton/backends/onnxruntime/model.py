"""A Triton backend `onnxruntime` in Python, for servers that were built without the real one.

Put this folder beside Triton's own `python` backend (`--backend-directory`): models whose
`config.pbtxt` says `backend: "onnxruntime"` are then run by the Python package `onnxruntime`, from the
very same model repository. Needs `numpy<2` and `onnxruntime` where Triton's Python stub finds them:
with numpy 2 the stub of Triton 2.51 hands over wrong data without a word.
"""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils  # comes with Triton's python backend

if not np.__version__.startswith("1."):
    raise RuntimeError(f"numpy {np.__version__}: this backend needs numpy<2")


def _session(folder: Path, instances: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, len(os.sched_getaffinity(0)) // instances)
    preferred = ("CUDAExecutionProvider", "CPUExecutionProvider")
    available = onnxruntime.get_available_providers()
    return onnxruntime.InferenceSession(
        folder / "model.onnx", options, providers=[p for p in preferred if p in available]
    )


class TritonPythonModel:
    """One instance of one version of a model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load `model.onnx` of the version."""
        config = json.loads(args["model_config"])
        self.outputs = [output["name"] for output in config["output"]]
        self.inputs = [tensor["name"] for tensor in config["input"]]
        instances = sum(group["count"] for group in config["instance_group"])
        self.session = _session(Path(args["model_repository"]) / args["model_version"], instances)

    def execute(self, requests: list) -> list:
        """Run all the requests that Triton put together as one batch and take the answers apart."""
        sizes, feeds = [], {}
        for name in self.inputs:
            parts = [pb_utils.get_input_tensor_by_name(r, name).as_numpy() for r in requests]
            sizes = [len(part) for part in parts]
            feeds[name] = np.concatenate(parts)
        results = self.session.run(self.outputs, feeds)
        ends = np.cumsum(sizes)[:-1]
        columns = [np.split(result, ends) for result in results]
        return [
            pb_utils.InferenceResponse(
                [
                    pb_utils.Tensor(name, column[i])
                    for name, column in zip(self.outputs, columns, strict=True)
                ]
            )
            for i in range(len(requests))
        ]
