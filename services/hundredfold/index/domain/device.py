"""The one place that knows on what device and with how many threads faiss works.

With the `index-gpu` extra faiss reports the GPUs it sees, and k-means and the training of indexes move
there through these functions; searching stays in main memory. This has never been run on a GPU: the machines this was made on have none.
"""

import os
from contextlib import AbstractContextManager
from typing import Any

import faiss
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types


def limit_process(threads: int) -> None:
    """Let BLAS use `threads` threads in this process; 0 leaves its default, all cores."""
    if threads > 0:
        threadpool_limits(limits=threads)


def limit_thread(threads: int) -> None:
    """Let faiss use `threads` threads for work of the calling thread; 0 leaves its default.

    OpenMP keeps this number per thread, so each thread that works says it for itself.
    """
    if threads > 0:
        faiss.omp_set_num_threads(threads)


def one_thread() -> AbstractContextManager[Any]:
    """Within it, OpenMP and BLAS use one thread."""
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits


def memory() -> int:
    """Bytes of main memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def gpus() -> int:
    """The number of GPUs that faiss can use."""
    return int(faiss.get_num_gpus())


def to_device(index: Any) -> Any:
    """Return the index on all GPUs, or the index itself where there is none."""
    return faiss.index_cpu_to_all_gpus(index) if gpus() else index
