import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.catalog.domain import schema as schemas
from hundredfold.catalog.domain.schema import Call, LabelClass, Schema
from hundredfold.chassis.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
    ServiceError,
)


def call(request_id: str = "r") -> Call:
    return Call(request_id, 1.0, "ann")


def named(*names: str) -> list[LabelClass]:
    return [LabelClass(0, name) for name in names]


def with_classes(*names: str) -> Schema:
    return schemas.add(Schema(), call("first"), named(*names))


def test_ids_are_given_in_order_from_one() -> None:
    schema = with_classes("cat", "dog")
    assert [(each.class_id, each.name) for each in schema.classes] == [(1, "cat"), (2, "dog")]
    assert schema.version == 1


def test_a_name_in_use_is_not_added_again() -> None:
    schema = schemas.add(with_classes("cat"), call("second"), named("cat", "dog", "dog"))
    assert [each.name for each in schema.classes] == ["cat", "dog"]


def test_adding_only_what_is_there_changes_nothing() -> None:
    before = with_classes("cat")
    assert schemas.add(before, call("second"), named("cat")) == before


def test_the_same_request_gets_the_same_answer_after_further_edits() -> None:
    first = with_classes("cat")
    later = schemas.add(first, call("second"), named("dog"))
    assert schemas.add(later, call("first"), named("cat")).classes == first.classes


def test_a_request_id_for_another_edit_is_refused() -> None:
    with pytest.raises(AlreadyExists) as refused:
        schemas.add(with_classes("cat"), call("first"), named("dog"))
    assert refused.value.reason == "REQUEST_ID_REUSED"


def test_names_that_look_alike_are_the_same() -> None:
    schema = schemas.add(with_classes("caf\u00e9"), call("second"), named(" cafe\u0301 "))
    assert [each.name for each in schema.classes] == ["caf\u00e9"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (LabelClass(0, ""), "name"),
        (LabelClass(0, "  "), "name"),
        (LabelClass(0, "a\nb"), "name"),
        (LabelClass(0, "a\u202eb"), "name"),
        (LabelClass(0, "x" * 201), "name"),
        (LabelClass(0, "x", key="ab"), "key"),
        (LabelClass(0, "x", color="red"), "color"),
        (LabelClass(0, "x", parent_id=7), "parent_id"),
        (LabelClass(0, "x", parent_id=-1), "parent_id"),
        (LabelClass(0, "x", guideline="x" * 10_001), "guideline"),
        (LabelClass(0, "x", guideline="a\x00"), "guideline"),
    ],
)
def test_a_wrong_field_is_named(wrong: LabelClass, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        schemas.add(with_classes("cat"), call("second"), [*named("dog"), wrong])
    assert refused.value.field == f"classes[1].{field}"


def test_a_guideline_may_have_lines() -> None:
    schema = schemas.add(Schema(), call(), [LabelClass(0, "x", guideline="one\n\ttwo")])
    assert schema.classes[0].guideline == "one\n\ttwo"


def test_a_key_belongs_to_one_class() -> None:
    with pytest.raises(InvalidArgument, match="'1' is in use"):
        schemas.add(Schema(), call(), [LabelClass(0, "a", key="1"), LabelClass(0, "b", key="1")])


def test_more_than_a_thousand_classes_a_call_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="1000"):
        schemas.add(Schema(), call(), named(*map(str, range(1001))))


def test_more_than_ten_thousand_classes_are_refused() -> None:
    schema = Schema()
    for block in range(10):
        names = [f"{block}-{number}" for number in range(1000)]
        schema = schemas.add(schema, call(str(block)), named(*names))
    with pytest.raises(InvalidArgument, match="10000"):
        schemas.add(schema, call("one more"), named("one more"))


def test_a_rename_keeps_the_id() -> None:
    schema = schemas.update(
        with_classes("cat", "dog"), call(), LabelClass(2, "hound", color="#0a0B0c")
    )
    assert schema.classes[1] == LabelClass(2, "hound", color="#0a0B0c")


def test_a_rename_to_a_name_in_use_is_refused() -> None:
    with pytest.raises(AlreadyExists):
        schemas.update(with_classes("cat", "dog"), call(), LabelClass(2, "cat"))


def test_a_key_of_another_class_is_refused() -> None:
    schema = schemas.update(with_classes("cat", "dog"), call(), LabelClass(1, "cat", key="c"))
    with pytest.raises(AlreadyExists):
        schemas.update(schema, call("again"), LabelClass(2, "dog", key="c"))


@pytest.mark.parametrize("class_id", [0, -1, 3])
def test_a_class_that_is_not_there_is_not_found(class_id: int) -> None:
    with pytest.raises(NotFound):
        schemas.update(with_classes("cat", "dog"), call(), LabelClass(class_id, "x"))


def test_a_class_cannot_be_its_own_ancestor() -> None:
    schema = schemas.update(with_classes("a", "b"), call("1"), LabelClass(2, "b", parent_id=1))
    with pytest.raises(InvalidArgument, match="ancestor"):
        schemas.update(schema, call("2"), LabelClass(1, "a", parent_id=2))


def test_a_merged_class_says_into_which_and_frees_its_name() -> None:
    schema = schemas.merge(with_classes("cat", "kitten"), call("1"), 2, 1)
    assert schema.classes[1].merged_into == 1
    schema = schemas.add(schema, call("2"), named("kitten"))
    assert schema.classes[2] == LabelClass(3, "kitten")


def test_a_chain_of_merges_ends_at_a_class_in_use() -> None:
    schema = schemas.merge(with_classes("a", "b", "c"), call("1"), 1, 2)
    schema = schemas.merge(schema, call("2"), 2, 3)
    assert [each.merged_into for each in schema.classes] == [3, 3, 0]


def test_merging_again_changes_nothing() -> None:
    once = schemas.merge(with_classes("a", "b"), call("1"), 1, 2)
    assert schemas.merge(once, call("2"), 1, 2) == once


def test_a_class_out_of_use_is_neither_merged_nor_changed() -> None:
    schema = schemas.merge(with_classes("a", "b", "c"), call("1"), 1, 2)
    for change in (
        lambda: schemas.merge(schema, call("2"), 1, 3),
        lambda: schemas.merge(schema, call("2"), 3, 1),
        lambda: schemas.update(schema, call("2"), LabelClass(1, "x")),
    ):
        with pytest.raises(Conflict) as refused:
            change()
        assert refused.value.metadata == {"merged_into": "2"}


def test_a_class_is_not_merged_into_itself() -> None:
    with pytest.raises(InvalidArgument):
        schemas.merge(with_classes("a"), call(), 1, 1)


def test_children_move_to_the_class_that_remains() -> None:
    schema = with_classes("animal", "beast", "cat")
    schema = schemas.update(schema, call("1"), LabelClass(3, "cat", parent_id=1))
    assert schemas.merge(schema, call("2"), 1, 2).classes[2].parent_id == 2


# --- any sequence of edits ----------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
IDS = st.integers(0, 7)
Edit = Callable[[Schema, Call], Schema]
EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.lists(NAMES, max_size=3).map(lambda names: lambda s, c: schemas.add(s, c, named(*names))),
    st.tuples(IDS, NAMES, IDS).map(
        lambda t: lambda s, c: schemas.update(s, c, LabelClass(t[0], t[1], parent_id=t[2]))
    ),
    st.tuples(IDS, IDS).map(lambda t: lambda s, c: schemas.merge(s, c, *t)),
)


def applied(edits: list[Edit]) -> list[Schema]:
    states = [Schema()]
    for number, edit in enumerate(edits):
        try:
            states.append(edit(states[-1], call(str(number))))
        except ServiceError:
            states.append(states[-1])
    return states


def ancestors(schema: Schema, each: LabelClass) -> list[int]:
    found: list[int] = []
    while each.parent_id and len(found) <= len(schema.classes):
        found.append(each.parent_id)
        each = schema.classes[each.parent_id - 1]
    return found


@given(st.lists(EDITS, max_size=25))
def test_whatever_is_edited_the_schema_stays_sound(edits: list[Edit]) -> None:
    for schema in applied(edits):
        in_use = {each.class_id for each in schema.classes if not each.merged_into}
        names = [each.name for each in schema.classes if not each.merged_into]
        assert [each.class_id for each in schema.classes] == list(range(1, len(schema.classes) + 1))
        assert len(names) == len(set(names))
        assert schema.version == len(schema.events)
        for each in schema.classes:
            assert not each.merged_into or each.merged_into in in_use
            if each.class_id in in_use:
                assert not each.parent_id or each.parent_id in in_use
                assert each.class_id not in ancestors(schema, each)


@given(st.lists(EDITS, max_size=25))
def test_ids_never_change_their_meaning(edits: list[Edit]) -> None:
    states = applied(edits)
    for before, after in itertools.pairwise(states):
        assert len(after.classes) >= len(before.classes)
        for old, new in zip(before.classes, after.classes, strict=False):
            assert not old.merged_into or new.merged_into


@given(st.lists(EDITS, max_size=25))
def test_each_earlier_version_can_be_had_from_the_events(edits: list[Edit]) -> None:
    states = applied(edits)
    for state in states:
        assert states[-1].at(state.version) == state


@given(st.lists(EDITS, max_size=15))
def test_doing_every_edit_twice_is_doing_it_once(edits: list[Edit]) -> None:
    schema = Schema()
    for number, edit in enumerate(edits):
        try:
            once = edit(schema, call(str(number)))
        except ServiceError:
            continue
        assert edit(once, call(str(number))).classes == once.classes
        schema = once


def test_several_classes_an_image_is_said_before_the_first_class_and_kept_by_each_edit() -> None:
    several = schemas.set_several(Schema(), call("s"), several=True)
    grown = schemas.merge(schemas.add(several, call("a"), named("cat", "pup")), call("m"), 2, 1)
    assert several.several
    assert grown.several
    assert grown.at(2).several
    with pytest.raises(Conflict, match="fixed"):
        schemas.set_several(grown, call("other"), several=False)


def test_examples_are_kept_and_changed() -> None:
    schema = schemas.add(Schema(), call("first"), [LabelClass(0, "x", examples=(3, 1))])
    assert schema.classes[0].examples == [3, 1]
    changed = replace(schema.classes[0], examples=[2])
    assert schemas.update(schema, call("second"), changed).classes[0].examples == [2]


@pytest.mark.parametrize("rows", [range(25), (1, 1), (-1,)])
def test_examples_are_few_rows_each_once(rows: Sequence[int]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        schemas.add(Schema(), call(), [LabelClass(0, "x", examples=rows)])
    assert refused.value.field == "classes[0].examples"
