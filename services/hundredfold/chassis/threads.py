"""How the processor is shared."""

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types


def one_thread_a_product() -> None:
    """Let BLAS use one thread a call, in this process.

    For services that work on parts beside one another in threads of their own, with small matrices: threads of
    BLAS that wait for one another take several times as long, the more so on a machine with other work.
    """
    threadpool_limits(limits=1, user_api="blas")
