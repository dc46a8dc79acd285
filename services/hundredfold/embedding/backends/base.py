"""What a backend is."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard


class Backend(Protocol):
    """Runs backbones of the model repository. Safe for threads."""

    @property
    def batch(self) -> int:
        """How many images a call should bring."""
        ...

    @property
    def in_flight(self) -> int:
        """How many calls at once make it fastest; more only wait."""
        ...

    def embed(
        self, card: ModelCard, images: NDArray[np.uint8], *, seconds: float
    ) -> NDArray[np.float32]:
        """Run a backbone.

        Args:
            card: which one.
            images: uint8 [n, p, p, 3], n from 1 to `batch`, p as the card says.
            seconds: an answer from elsewhere is waited for no longer, and no longer than the backend's own limit.

        Returns:
            float32 [n, d], as the graph gave them: not checked for NaN.

        Raises:
            NotFound: the model is not in the repository.
            Conflict: what is in the repository does not run.
            Unavailable: the inference server is away, late, or does not serve the model.
        """
        ...

    def ready(self, cards: Sequence[ModelCard]) -> set[str]:
        """Which of the models `embed` would run at once; none, and no error, while a server is away."""
        ...

    def close(self) -> None:
        """Let go of sessions and connections."""
        ...
