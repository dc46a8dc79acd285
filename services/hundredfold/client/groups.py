"""Clusters that are to be of one class as a whole, and what people are told of them."""

import math

from hundredfold.client.types import Audit


def in_words(audit: Audit, class_name: str) -> str:
    """How the audit of a cluster stands, in a sentence."""
    what = f"{audit.total:,} images as {class_name}"
    if audit.state == "OPEN":
        asked = (
            f"{audit.answered:,} of {audit.sample:,} random ones answered, {audit.errors:,} wrong"
        )
        return f"{what}: {asked} so far."
    if audit.state == "CERTIFIED":
        return (
            f"{what}: labelled. At most {at_most(audit.bound)} of them are wrong, "
            f"sure to {100 * audit.confidence:.4g} %."
        )
    if audit.state == "PASSED":
        return f"{what}: proved, not labelled as a whole."
    if audit.state == "FAILED":
        found = f"{audit.errors:,} of {audit.sample:,} random ones were wrong"
        return f"{what}: not yet, {found}. It is looked at again as wrong ones get another class."
    return f"{what}: given up for another check."


def at_most(share: float) -> str:
    """A share in percent, rounded so that it promises no more; a float on the way may have lost a millionth."""
    return f"{math.ceil(1000 * share - 1e-3) / 10:.4g} %"
