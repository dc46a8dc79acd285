"""Who asks."""

from dataclasses import replace

from hundredfold.api.common.v1 import access_pb2
from hundredfold.chassis.context import caller
from hundredfold.labels.answers import Asker
from hundredfold.labels.domain import rules

NOBODY = "anonymous"


def asker(annotator: str = "") -> Asker:
    """Who asks. A service, or anybody while authentication is off, may say for whom."""
    who = caller()
    is_service = who.role >= access_pb2.ROLE_SERVICE
    return Asker(
        rules.actor_name((is_service and annotator) or who.subject) or NOBODY,
        may_act_for_all=is_service,
        may_review=who.role >= access_pb2.ROLE_REVIEWER,
    )


def holder(annotator: str) -> Asker:
    """Who asks about leases: a service that says for whom may do no more than he may."""
    asking = asker(annotator)
    return replace(asking, may_act_for_all=asking.may_act_for_all and not annotator)


def undoer(annotator: str, *, only_own: bool) -> Asker:
    """Who asks to take a decision back."""
    asking = asker(annotator)
    return replace(asking, may_review=False) if only_own else asking


def may_know_planted() -> bool:
    """Whether the caller may learn which images are planted: not one who answers pages."""
    return caller().role >= access_pb2.ROLE_REVIEWER
