"""How the loops of the join are compiled.

Signatures are explicit, so everything is compiled, or read from numba's cache, when a module is imported;
the cache lies beside the source, in NUMBA_CACHE_DIR, or in the user's cache folder where neither can be
written. Compiled functions let go of the GIL: plain threads run them side by side.

The cache looks at nothing but the file of a function: what a compiled function calls, and each constant
that it reads, is therefore in the same file.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.extending import intrinsic

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(signature: str) -> Callable[[_Function], _Function]:
    """Compile a function for arguments of exactly these types."""
    return cast(
        "Callable[[_Function], _Function]",
        numba.njit(signature, nogil=True, cache=True, error_model="numpy"),
    )


def inlined(function: _Function) -> _Function:
    """A function that compiled functions of the same file call; compiled into each of them."""
    return cast("_Function", numba.njit(function, inline="never", error_model="numpy"))


def emitted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that writes LLVM code; generic instructions only, which LLVM lowers on each processor."""
    return cast("Callable[..., Any]", intrinsic(function))
