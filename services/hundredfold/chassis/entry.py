"""How a service's `main` tells what is wrong with its settings."""

import functools
import sys
from collections.abc import Callable

from hundredfold.chassis.errors import ServiceError


def entry_point(main: Callable[[], int]) -> Callable[[], int]:
    """A `main` that ends with a sentence and exit code 2, not a traceback, when it can't start."""

    @functools.wraps(main)
    def guarded() -> int:
        try:
            return main()
        except ServiceError as error:
            sys.stderr.write(f"can't start: {error.message}\n")
            return 2

    return guarded
