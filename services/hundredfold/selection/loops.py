"""All loops of the service: started, taken up again, ended."""

import logging
import math
import threading
from collections.abc import Sequence

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import InvalidArgument, NotFound, ServiceError
from hundredfold.chassis.requests import check_between, check_request_id
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.selection.config import SelectionConfig
from hundredfold.selection.domain.policies import DEFAULT, POLICIES
from hundredfold.selection.domain.refining import DEFAULT_RULES, Rules
from hundredfold.selection.loop import Loop
from hundredfold.selection.pair_loop import PARTS as WITHOUT
from hundredfold.selection.pair_loop import POLICY, PairLoop
from hundredfold.selection.peers import Peers
from hundredfold.selection.state import PARTS, LoopState
from hundredfold.selection.store import SelectionStore, no_vectors

PAGE_SIZE = 48
MOST_PAGE_SIZE = 200
MOST_CLASSES = 100_000
CONFIDENCE = 0.95
_LEAST_SHARE, _MOST_SHARE = 0.5, 0.9999
_SHARE_DIGITS = 6
_log = logging.getLogger("hundredfold.selection.loops")


class Loops:
    """The loops. Safe for threads.

    Args:
        store: where collections are.
        peers: other services.
        costs: of a person's actions.
        config: settings.
        rules: when a better backbone is tried.
    """

    def __init__(
        self,
        store: ArtifactStore,
        peers: Peers,
        costs: CostModel,
        config: SelectionConfig,
        *,
        rules: Rules = DEFAULT_RULES,
    ) -> None:
        self._artifacts = store
        self._store = SelectionStore(store)
        self._peers = peers
        self._costs = costs
        self._config = config
        self._rules = rules
        self._loops: dict[str, Loop] = {}
        self._lock = threading.Lock()

    def resume(self) -> None:
        """Take up every loop that was started before; one that can't be read does not stop the others."""
        for collection in self._store.loops():
            try:
                self._take_up(self._store.load(collection))
            except ServiceError as error:
                _log.error("the loop of %s is not taken up: %s", collection, error.message)

    def start(
        self,
        collection: str,
        *,
        space: str,
        expected_classes: int,
        page_size: int,
        policy: str,
        seed: int,
        request_id: str,
        target_accuracy: float = 0.0,
        confidence: float = 0.0,
        auto_label: bool = False,
        without: Sequence[str] = (),
    ) -> LoopState:
        """Start a loop, or start it anew with other settings.

        Args:
            collection: of which.
            space: empty = the one that its loop works in, or else the one it has vectors of.
            expected_classes: 0 = the schema's, or chosen from the number of images.
            page_size: 0 = 48.
            policy: empty = the default.
            seed: of random choices.
            request_id: the same again changes nothing.
            target_accuracy: to be proved by an audit; 0 = none.
            confidence: of the proof; 0 = 0.95.
            auto_label: let the head label the rest once it is proved.
            without: parts to leave out.

        Raises:
            NotFound: there is no such collection.
            InvalidArgument: a setting is out of bounds.
            Conflict: NO_VECTORS, or SPACE_UNCLEAR.
        """
        require_collection(self._artifacts, collection)
        check_between(expected_classes, 0, MOST_CLASSES, "expected_classes")
        check_between(page_size, 0, MOST_PAGE_SIZE, "page_size")
        several = self._store.has_several(collection)
        if several:
            policy, without = _of_pairs(policy), [*without, *WITHOUT]
        state = LoopState(
            collection=collection,
            space=space or self._space(collection),
            expected_classes=expected_classes,
            page_size=page_size or PAGE_SIZE,
            policy=policy if several else check_policy(policy or DEFAULT),
            seed=seed,
            request_id=check_request_id(request_id),
            target_accuracy=_check_share(target_accuracy, "target_accuracy"),
            confidence=_check_share(confidence, "confidence") or CONFIDENCE,
            auto_label=auto_label,
            without=_check_parts(without),
            duplicates=self._store.duplicates(collection),
        )
        if not self._store.vectors_version(collection, layout.check_model(state.space, "space")):
            raise no_vectors(collection)
        return self._start(state)

    def get(self, collection: str) -> Loop:
        """The loop of a collection; NotFound."""
        layout.check_collection(collection)
        with self._lock:
            found = self._loops.get(collection)
        if found is None:
            raise NotFound(f"{collection} has no loop; start it", field="collection")
        return found

    def stop(self) -> None:
        """Ask all to end."""
        with self._lock:
            for loop in self._loops.values():
                loop.stop()

    def close(self) -> None:
        """End all, and wait until they have ended."""
        self.stop()
        with self._lock:
            loops, self._loops = list(self._loops.values()), {}
        for loop in loops:
            loop.join()

    def _space(self, collection: str) -> str:
        """The space to work in when nobody named one: that of the loop may be a better one by now."""
        with self._lock:
            known = self._loops.get(collection)
        return known.place()[0].space if known else self._store.space(collection)

    def _start(self, state: LoopState) -> LoopState:
        with self._lock:
            known = self._loops.get(state.collection)
            if known is not None and not isinstance(known, self._kind(state)):
                # Only since it was started does the schema say that an image may be of several classes.
                known.stop()
                known = None
            if known is None:
                self._store.save(state)
                self._begin(state)
                return state
            before, _ = known.place()
            if before.request_id != state.request_id:
                known.restart(state)
            return known.place()[0]

    def _take_up(self, state: LoopState) -> None:
        with self._lock:
            if state.collection not in self._loops:
                self._begin(state)

    def _begin(self, state: LoopState) -> None:
        kind = self._kind(state)
        loop = kind(state, self._store, self._peers, self._costs, self._config, rules=self._rules)
        self._loops[state.collection] = loop
        loop.start()

    def _kind(self, state: LoopState) -> type[Loop]:
        return PairLoop if self._store.has_several(state.collection) else Loop


def _of_pairs(policy: str) -> str:
    """The policy where an image may be of several classes."""
    if policy not in ("", POLICY):
        raise InvalidArgument(
            f"policy must be {POLICY} where an image may be of several classes", field="policy"
        )
    return POLICY


def _check_share(share: float, field: str) -> float:
    """A share, as near as a float of the wire tells it; 0 = not said."""
    rounded = round(share, _SHARE_DIGITS) if math.isfinite(share) else share
    if rounded and not _LEAST_SHARE <= rounded <= _MOST_SHARE:
        raise InvalidArgument(f"{field} must be {_LEAST_SHARE} to {_MOST_SHARE}", field=field)
    return rounded


def _check_parts(parts: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise InvalidArgument(
            f"without must be some of {', '.join(PARTS)}; not {unknown[0][:80]!r}", field="without"
        )
    return tuple(part for part in PARTS if part in parts)


def check_policy(name: str) -> str:
    """The name of a policy that is there, else InvalidArgument."""
    if name not in POLICIES:
        raise InvalidArgument(f"policy must be one of {', '.join(POLICIES)}", field="policy")
    return name
