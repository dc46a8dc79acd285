"""The ways of choosing pages, by name. A new one is one file and one line here."""

from collections.abc import Mapping

from hundredfold.selection.domain.policies.base import Asked, Policy
from hundredfold.selection.domain.policies.errors_per_second import errors_per_second
from hundredfold.selection.domain.policies.margin import margin
from hundredfold.selection.domain.policies.random_pages import random_pages

DEFAULT = "errors-per-second"
POLICIES: Mapping[str, Policy] = {
    "errors-per-second": errors_per_second,
    "margin": margin,
    "random": random_pages,
}

__all__ = ["DEFAULT", "POLICIES", "Asked", "Policy"]
