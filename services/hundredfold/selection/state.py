"""The place of a loop: what is kept so that a restart goes on."""

from dataclasses import dataclass, field

from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.rounds import Phase


@dataclass(frozen=True)
class LoopState:
    """A loop, as it is kept in the store.

    Attributes:
        collection: of which.
        space: `name@version` of the backbone.
        expected_classes: 0 when nobody said.
        page_size: images a page.
        policy: how pages are chosen.
        seed: of random choices.
        request_id: of the StartLoop that gave these settings.
        clusters: the Cluster run of the seed pages; empty until there is one.
        clustering: the id of the Cluster run that is waited for; empty when none is.
        attempts: Cluster runs that were asked for in vain.
        duplicates: the FindDuplicates run; empty when copies were not looked for.
        phase: where the loop stands.
        model: the head in use; empty before the first.
        seen_seq: the newest event that the queue takes into account.
        total: images to label.
        labelled: of them.
        rounds: so far, also those before it was started anew: page ids are made of it.
        expected_accuracy: share of all images expected to be right if the head labelled the rest.
        discovery: where the search for unnamed classes stands.
    """

    collection: str
    space: str
    expected_classes: int
    page_size: int
    policy: str
    seed: int
    request_id: str
    clusters: str = ""
    clustering: str = ""
    attempts: int = 0
    duplicates: str = ""
    phase: Phase = Phase.PREPARING
    model: str = ""
    seen_seq: int = 0
    total: int = 0
    labelled: int = 0
    rounds: int = 0
    expected_accuracy: float = 0.0
    discovery: Discovery = field(default_factory=Discovery)
