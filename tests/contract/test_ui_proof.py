"""What the Progress view says of the proof, and of what goes on behind the pages."""

from typing import Any

from streamlit.testing.v1 import AppTest

from hundredfold.client.types import Audit, BackboneRound, Loop, Progress

PROGRESS = Progress(
    total=100,
    labelled=40,
    unsure=0,
    leased=0,
    ready=0,
    pool=60,
    ready_pages=0,
    head_seq=9,
    decisions=9,
    labels_per_minute=0.0,
    labelled_with_copies=40,
    human_seconds=60.0,
)


def a_loop(**changes: Any) -> Loop:
    usual: dict[str, Any] = {
        "collection": "birds",
        "phase": "VERIFY",
        "space": "net@1",
        "clusters": "",
        "duplicates": "",
        "expected_classes": 2,
        "model": "",
        "seen_seq": 9,
        "total": 100,
        "labelled": 40,
        "rounds": 4,
        "expected_accuracy": 0.9,
        "trouble": "",
        "policy": "errors-per-second",
        "target_accuracy": 0.95,
        "confidence": 0.95,
        "proved_accuracy": 0.0,
        "audit_id": "",
        "backbone_step": "IDLE",
        "backbone_rounds": (),
        "measured_accuracy": 0.0,
        "measured_images": 0,
        "without": (),
    }
    return Loop(**usual | changes)


def an_audit(**changes: Any) -> Audit:
    usual: dict[str, Any] = {
        "audit_id": "a",
        "collection": "birds",
        "model": "head@1",
        "cluster": "",
        "state": "OPEN",
        "allowed_error": 0.05,
        "confidence": 0.95,
        "look": 2,
        "alpha": 0.01,
        "total": 100,
        "population": 60,
        "sample": 30,
        "answered": 12,
        "errors": 1,
        "bound": 1.0,
        "groups": (),
        "threshold": 0.0,
        "seq": 7,
        "certificate_seq": 0,
        "people_error": 0.0,
    }
    return Audit(**usual | changes)


def tell(loop: "Loop", audit: "Audit | None", progress: "Progress") -> None:
    from ui.views import proof  # noqa: PLC0415 - AppTest runs the body alone

    proof._tell(loop, audit, progress)


def tell_networks(loop: "Loop") -> None:
    from ui.views import behind  # noqa: PLC0415 - as above

    behind.networks(loop)


def said(loop: Loop, audit: Audit | None = None, progress: Progress = PROGRESS) -> str:
    kwargs = {"loop": loop, "audit": audit, "progress": progress}
    app = AppTest.from_function(tell, kwargs=kwargs).run()
    assert not app.exception
    return " ".join(each.value for each in [*app.markdown, *app.caption])


def test_without_a_target_it_says_what_one_is_for() -> None:
    assert "No target is set" in said(a_loop(target_accuracy=0.0))


def test_a_target_is_named_until_a_check_begins() -> None:
    assert "95 % of all images right" in said(a_loop())


def test_an_open_check_says_how_far_it_is() -> None:
    words = said(a_loop(phase="AUDIT"), an_audit())
    assert "Random check 2" in words
    assert "12 of 30 images answered, 1 wrong so far" in words


def test_a_check_that_failed_says_that_people_go_on() -> None:
    words = said(a_loop(), an_audit(state="FAILED", answered=30, errors=5))
    assert "Of 30 images drawn at random 5 were wrong. That is not enough." in words


def test_a_proof_is_stated_with_its_confidence() -> None:
    loop = a_loop(phase="DONE", proved_accuracy=0.9529)
    words = said(loop, an_audit(state="CERTIFIED", certificate_seq=9))
    assert "at least 95.2 % of all images are right" in words
    assert "Certain to 95 %" in words
    assert "Every image has a label" not in words


def test_a_proof_from_before_the_last_answers_is_told_as_such() -> None:
    words = said(a_loop(phase="DONE"), an_audit(state="CERTIFIED", bound=0.04, certificate_seq=9))
    assert "Every image is labelled or set aside" in words
    assert "Before the last answers at least 96 % were proved to be right" in words


def test_networks_are_told_with_what_they_were_worth_or_why_not() -> None:
    better = BackboneRound(
        before="net@1",
        after="net@2",
        labels_seq=9,
        labels=800,
        accuracy_before=0.8,
        accuracy_after=0.86,
        purity_before=0.6,
        purity_after=0.7,
        images=90,
        promoted=True,
        reason="",
        seconds=200.0,
        ended_at=1.0,
    )
    failed = BackboneRound(
        before="net@2",
        after="",
        labels_seq=10,
        labels=900,
        accuracy_before=0.0,
        accuracy_after=0.0,
        purity_before=0.0,
        purity_after=0.0,
        images=0,
        promoted=False,
        reason="<b>it diverged",
        seconds=20.0,
        ended_at=2.0,
    )
    loop = a_loop(backbone_rounds=(better, failed), backbone_step="TRAINING")
    app = AppTest.from_function(tell_networks, kwargs={"loop": loop}).run()
    assert not app.exception
    words = " ".join(each.proto.body for each in app.get("html"))
    assert "86.0 %" in words
    assert "in use from then on" in words
    assert "not used: &lt;b&gt;it diverged" in words
    assert "is being trained" in app.caption[0].value
