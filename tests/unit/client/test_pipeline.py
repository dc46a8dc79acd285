"""When a pipeline that is run again leaves the loop as it is."""

from hundredfold.api.selection.v1 import selection_pb2
from hundredfold.client import wire
from hundredfold.client.pipeline import Options, goes_on

PLAIN = Options(columns={})


def a_loop(space: str, *rounds: selection_pb2.BackboneRound) -> selection_pb2.Loop:
    return selection_pb2.Loop(space=space, expected_classes=10, backbone_rounds=rounds)


BETTER = selection_pb2.BackboneRound(before="net@1", after="net@2", promoted=True)
WORSE = selection_pb2.BackboneRound(before="net@2", after="net@3", promoted=False)


def test_a_loop_in_the_space_goes_on() -> None:
    assert goes_on(wire.loop(a_loop("net@1")), "net@1", PLAIN)


def test_a_loop_that_found_a_better_space_keeps_it() -> None:
    assert goes_on(wire.loop(a_loop("net@2", BETTER, WORSE)), "net@1", PLAIN)


def test_another_backbone_or_another_number_of_classes_starts_the_loop_anew() -> None:
    loop = wire.loop(a_loop("net@1"))
    assert not goes_on(loop, "other@1", PLAIN)
    assert not goes_on(loop, "net@1", Options(columns={}, expected_classes=20))
    assert goes_on(loop, "net@1", Options(columns={}, expected_classes=10))
