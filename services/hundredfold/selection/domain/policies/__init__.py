"""The ways of choosing pages, by name. A new one is one file and one line here."""

from collections.abc import Mapping

from hundredfold.selection.domain.policies.base import Asked, Known, Policy
from hundredfold.selection.domain.policies.cluster_margin import CLUSTER_MARGIN
from hundredfold.selection.domain.policies.cluster_pages import CLUSTER_PAGES
from hundredfold.selection.domain.policies.committee import COMMITTEE
from hundredfold.selection.domain.policies.entropy import ENTROPY
from hundredfold.selection.domain.policies.errors_per_second import ERRORS_PER_SECOND
from hundredfold.selection.domain.policies.k_center import K_CENTER
from hundredfold.selection.domain.policies.margin import MARGIN
from hundredfold.selection.domain.policies.predicted_class import PREDICTED_CLASS
from hundredfold.selection.domain.policies.random_pages import RANDOM
from hundredfold.selection.domain.policies.random_singles import RANDOM_SINGLES
from hundredfold.selection.domain.policies.typiclust import TYPICLUST
from hundredfold.selection.domain.policies.uherding import UHERDING

DEFAULT = ERRORS_PER_SECOND.name
POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        ERRORS_PER_SECOND,
        PREDICTED_CLASS,
        CLUSTER_PAGES,
        MARGIN,
        ENTROPY,
        COMMITTEE,
        CLUSTER_MARGIN,
        K_CENTER,
        TYPICLUST,
        UHERDING,
        RANDOM,
        RANDOM_SINGLES,
    )
}

__all__ = ["DEFAULT", "POLICIES", "Asked", "Known", "Policy"]
