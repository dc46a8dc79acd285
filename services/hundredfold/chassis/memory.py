"""How the allocator treats memory that is asked for again and again."""

import ctypes

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 << 20
_KEPT = 256 << 20


def keep_freed_memory() -> bool:
    """Let this process keep blocks of up to 32 MiB that it frees, instead of giving them back to the kernel each time.

    Whoever decodes images asks for arrays of the same few sizes thousands of times a second. glibc maps each anew
    and the kernel then has to find and clear each page at its first touch: a fifth of the time of decoding,
    measured. What stays is what was in use at once, 256 MiB of each arena at most.

    Returns:
        Whether the allocator took it; another one than glibc's is left as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)) and bool(
        mallopt(_TRIM_THRESHOLD, _KEPT)
    )
