"""Where the proof stands after the ledger has said how an audit does."""

import pytest

from hundredfold.selection.audits import _settled
from hundredfold.selection.peers.ledger import Audit
from hundredfold.selection.state import Auditing

ASKED = Auditing(number=1, audit_id="a", open=True, sample=300, wrong=100.0, expected=12.0)


def failed(errors, bound=0.06):
    return Audit(
        "a", "FAILED", bound, 300, errors, 4_000, 1, 0.0, population=3_000, most_sample=300
    )


@pytest.mark.parametrize(("errors", "wrong"), [(17, 170.0), (5, 100.0)])
def test_what_must_become_fewer_is_what_the_sample_said_if_that_was_more(errors, wrong):
    after = _settled(ASKED, failed(errors), allowed=0.05)
    assert after.wrong == pytest.approx(wrong)
    assert after.evidence == (("a", float(errors), 12.0),)


def test_how_many_it_is_short_of_falls_as_the_bound_does():
    first = _settled(ASKED, failed(17), allowed=0.05)
    later = _settled(first, failed(17, bound=0.055), allowed=0.05)
    assert (first.short, later.short) == (40, 20)
    assert later.evidence == first.evidence
