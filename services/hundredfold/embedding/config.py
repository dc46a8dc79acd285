"""Settings of the embedding service: `HUNDREDFOLD_EMBEDDING_<FIELD>`, see `chassis.config.from_env`."""

from dataclasses import dataclass

from hundredfold.chassis.backbones.cards import DEFAULT_MODEL
from hundredfold.chassis.config import ServerConfig
from hundredfold.embedding.tidying import KEEP_TUNED


@dataclass(frozen=True)
class EmbeddingConfig(ServerConfig):
    """What the embedding service can be told.

    Attributes:
        sources: folders and URI prefixes that images, and vectors to import, may be read from; none = nothing.
        model: the default backbone, `name@version`; made at start when a recipe of that name is there.
        backend: `onnx` (ONNX Runtime in this process), `openvino` (in this process too), `triton`, or `auto`:
            OpenVINO where it is installed and no CUDA device is used, else ONNX Runtime.
        precision: `auto` (bf16 for spaces whose images show that it agrees with float32, where the processor
            has it), `float32` or `bf16`; a space stays in that which it was begun in.
        triton_url: host and port of the Triton server's gRPC.
        triton_deadline_seconds: how long one call to it may take; batches are kept below a quarter of it.
        triton_patience_seconds: how long a run waits for it while it is away or late; other callers do not.
        triton_shared_memory: send images through shared memory where the server is on this machine.
        engine: where collections are embedded: `local`, in this process, or `ray`, by workers on the cluster at
            RAY_ADDRESS that run the backend themselves; with the backend `triton` always here.
        threads: decoding threads, and in this process also calls of the model at once; 0 = one a core.
        keep_tuned: how many of the newest backbones that were fine-tuned on a collection stay with their
            spaces, beside those that its loop or a head refers to; at least 1.
    """

    sources: tuple[str, ...] = ()
    model: str = DEFAULT_MODEL
    backend: str = "auto"
    precision: str = "auto"
    triton_url: str = "127.0.0.1:8001"
    triton_deadline_seconds: float = 10.0
    triton_patience_seconds: float = 120.0
    triton_shared_memory: bool = True
    engine: str = "local"
    threads: int = 0
    keep_tuned: int = KEEP_TUNED
