"""float32 or bf16: chosen once for each space, by what was measured on its images, and never mixed."""

from collections.abc import Callable

import numpy as np

from hundredfold.chassis.errors import Conflict
from hundredfold.embedding.domain.agreement import Agreement, agreement
from hundredfold.embedding.embedder import Embedded, Embedder
from hundredfold.embedding.store import Space

AUTO, FLOAT32, BF16 = "auto", "float32", "bf16"
SAMPLE = 256
"""Images that both precisions are compared on."""

WORTH_IMAGES = 2048
"""With fewer images to embed, measuring costs about what bf16 would save."""

_LEAST_SAMPLE = 100
"""On fewer images of which both have a vector nothing is concluded."""


class Precisions:
    """The arithmetic of spaces.

    A space keeps the precision it was begun in: whoever goes on with it, after a kill or with new images,
    embeds in that one or is refused.

    Args:
        exact: embeds in float32.
        bf16: embeds in bf16; None = nothing here does.
        wanted: `auto` goes on as a space was begun, and begins it in bf16 where that is worth it and agrees
            with float32; the other two insist.
        worth: see WORTH_IMAGES.
    """

    def __init__(
        self,
        exact: Embedder,
        bf16: Embedder | None = None,
        wanted: str = AUTO,
        worth: int = WORTH_IMAGES,
    ) -> None:
        self._embedders = {FLOAT32: exact} | ({BF16: bf16} if bf16 else {})
        self._wanted = wanted
        self._worth = worth

    def embedder(
        self, space: Space, images: int, on_sample: Callable[[Embedder], Embedded]
    ) -> Embedder:
        """What embeds into a space, whose precision is chosen if nobody did.

        Args:
            space: it notes what is chosen, and what was measured.
            images: how many are to have a vector.
            on_sample: embeds a sample of them, the same each time.

        Raises:
            Conflict: PRECISION_DIFFERS, the space is in another precision than is wanted or to be had here;
                PRECISION_DISAGREES, bf16 is insisted on and gives other vectors than float32.
        """
        if not space.precision:
            space.begin(*self._chosen(images, on_sample))
        precision = space.precision
        if self._wanted not in {AUTO, precision} or precision not in self._embedders:
            here = FLOAT32 if self._wanted == AUTO else self._wanted
            raise Conflict(
                f"{space} was begun in {precision} and this service embeds in {here}: the two are not "
                "mixed. Go on in the service that began it, or remove the space to embed it anew",
                reason="PRECISION_DIFFERS",
            )
        return self._embedders[precision]

    def close(self) -> None:
        """Close the embedders."""
        for embedder in self._embedders.values():
            embedder.close()

    def _chosen(
        self, images: int, on_sample: Callable[[Embedder], Embedded]
    ) -> tuple[str, Agreement | None]:
        insists = self._wanted == BF16
        if self._wanted == FLOAT32 or BF16 not in self._embedders:
            return FLOAT32, None
        if images < self._worth and not insists:
            return FLOAT32, None
        measured = self._measured(on_sample)
        agrees = measured is not None and measured.passes
        if insists and not agrees:
            raise Conflict(
                f"bf16 does not agree with float32: {measured or 'too few images to tell'}",
                reason="PRECISION_DISAGREES",
            )
        return BF16 if agrees else FLOAT32, measured

    def _measured(self, on_sample: Callable[[Embedder], Embedded]) -> Agreement | None:
        exact, nearly = (on_sample(self._embedders[each]) for each in (FLOAT32, BF16))
        good = np.ones(len(exact.vectors), bool)
        good[[*exact.failures, *nearly.failures]] = False
        if np.count_nonzero(good) < _LEAST_SAMPLE:
            return None
        return agreement(exact.vectors[good], nearly.vectors[good])
