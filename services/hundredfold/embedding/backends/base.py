"""What a backend is."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.embedding.domain.pacing import Pace

Check = Callable[[], None]
"""Raises when its caller is to wait no longer, such as `RunContext.check` once the run was cancelled."""

BATCH_TOO_LARGE = "BATCH_TOO_LARGE"
"""Why a call was refused that may succeed with fewer images."""

LOOK_SECONDS = 0.2
"""How often whoever waits asks its `Check`."""


def unchecked() -> None:
    """The check of callers whom only their deadline ends."""


class Backend(Protocol):
    """Runs backbones of the model repository. Safe for threads."""

    @property
    def pace(self) -> Pace:
        """How many images a call should bring, and how many calls at once make it fastest; more only wait."""
        ...

    def embed(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        *,
        seconds: float,
        check: Check = unchecked,
    ) -> NDArray[np.float32]:
        """Run a backbone.

        Args:
            card: which one.
            images: uint8 [n, p, p, 3], n from 1 to `pace.most_images`, p as the card says.
            seconds: an answer from elsewhere is waited for no longer, and no longer than the backend's own limit.
            check: asked again and again while an answer from elsewhere is waited for; what it raises ends that.

        Returns:
            float32 [n, d], as the graph gave them: not checked for NaN.

        Raises:
            NotFound: the model is not in the repository.
            Conflict: what is in the repository does not run.
            Unavailable: the inference server is away, late, or does not serve the model.
            ResourceExhausted: BATCH_TOO_LARGE, the inference server takes no call of so many images.
        """
        ...

    def ready(self, cards: Sequence[ModelCard]) -> set[str]:
        """Which of the models `embed` would run at once; none, and no error, while a server is away."""
        ...

    def close(self) -> None:
        """Let go of sessions and connections."""
        ...
