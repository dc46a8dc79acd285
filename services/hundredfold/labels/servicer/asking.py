"""Who asks."""

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


def may_know_planted() -> bool:
    """Whether the caller may learn which images are planted: not one who answers pages."""
    return caller().role >= access_pb2.ROLE_REVIEWER
