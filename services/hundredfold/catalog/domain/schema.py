"""The classes of a collection and how they may change.

A schema is what its events made of it: each edit gives a new schema and leaves the old one as it was.
Ids are never used again; a class that was merged into another stays in the list and says into which.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hundredfold.chassis.errors import AlreadyExists, Conflict, InvalidArgument, NotFound

MAX_CLASSES = 10_000
MAX_ADDED = 1000
MAX_NAME = 200
MAX_GUIDELINE = 10_000
MAX_EXAMPLES = 24
_REORDERING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class; `class_id` 0 stands for one that has none yet.

    Attributes:
        merged_into: the class in use that this one is read as; 0 while it is in use itself.
        examples: rows that show what belongs to it.
    """

    class_id: int
    name: str
    key: str = ""
    color: str = ""
    parent_id: int = 0
    merged_into: int = 0
    guideline: str = ""
    examples: Sequence[int] = ()

    def __post_init__(self) -> None:
        # A list, as JSON has it: a class that was read equals the one that was written.
        object.__setattr__(self, "examples", list(self.examples))


@dataclass(frozen=True, slots=True)
class Event:
    """One edit, as it is kept.

    Attributes:
        version: of the schema after it.
        kind: `add`, `update`, `merge` or `several`.
        request_id: of the call.
        fingerprint: of what the call asked for.
        at: Unix seconds.
        by: the caller, "" when callers are not told apart.
        detail: `classes` (add), `label_class` (update), `from` and `into` (merge), or `several`.
    """

    version: int
    kind: str
    request_id: str
    fingerprint: str
    at: float
    by: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Schema:
    """The classes in order of their ids, and the events that made them.

    Attributes:
        several: whether an image may be of several classes.
    """

    version: int = 0
    classes: tuple[LabelClass, ...] = ()
    events: tuple[Event, ...] = ()
    several: bool = False

    def at(self, version: int) -> "Schema":
        """The schema as an earlier edit left it."""
        schema = Schema()
        for event in self.events[:version]:
            schema = _applied(schema, event)
        return schema

    def find(self, class_id: int, field: str) -> LabelClass:
        """A class, in use or not; NotFound when there is none."""
        if not 1 <= class_id <= len(self.classes):
            raise NotFound(f"there is no class {class_id}", field=field)
        return self.classes[class_id - 1]

    def in_use(self) -> dict[str, LabelClass]:
        """The classes that are not merged away, by name."""
        return {each.name: each for each in self.classes if not each.merged_into}


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks for an edit, when, and under which id."""

    request_id: str
    at: float
    by: str = ""


Change = tuple[str, Mapping[str, Any]]


def add(schema: Schema, call: Call, wanted: Sequence[LabelClass]) -> Schema:
    """Add classes whose names are not in use; those whose names are stay as they are.

    Raises:
        InvalidArgument: a name, key, colour, parent, guideline or example is wrong, or there are too many.
        AlreadyExists: the request id was used for another edit.
    """
    return _edited(
        schema, call, ("add", {"classes": [asdict(each) for each in wanted]}), _check_add
    )


def update(schema: Schema, call: Call, wanted: LabelClass) -> Schema:
    """Change the name, key, colour, parent, guideline and examples of a class.

    Raises:
        NotFound: there is no such class.
        Conflict: it is out of use.
        AlreadyExists: the name or the key is in use, or the request id was used for another edit.
        InvalidArgument: a field is wrong.
    """
    return _edited(schema, call, ("update", {"label_class": asdict(wanted)}), _check_update)


def merge(schema: Schema, call: Call, source: int, into: int) -> Schema:
    """Let the class `source` be read as `into` from now on; its children become those of `into`.

    Raises:
        NotFound: there is no such class.
        Conflict: one of them is out of use already.
        InvalidArgument: they are the same.
        AlreadyExists: the request id was used for another edit.
    """
    return _edited(schema, call, ("merge", {"from": source, "into": into}), _check_merge)


def set_several(schema: Schema, call: Call, *, several: bool) -> Schema:
    """Say whether an image may be of several classes.

    Raises:
        Conflict: SCHEMA_FIXED, there is a class already: labels would change their meaning.
        AlreadyExists: the request id was used for another edit.
    """
    return _edited(schema, call, ("several", {"several": several}), _check_several)


def _edited(
    schema: Schema, call: Call, change: Change, check: Callable[[Schema, Any], Mapping[str, Any]]
) -> Schema:
    fingerprint = hashlib.sha256(json.dumps(change, sort_keys=True).encode()).hexdigest()
    before = next((each for each in schema.events if each.request_id == call.request_id), None)
    if before is not None:
        if before.fingerprint != fingerprint:
            raise AlreadyExists(
                "this request_id was used for another edit",
                reason="REQUEST_ID_REUSED",
                field="request_id",
            )
        return schema.at(before.version)
    detail = check(schema, change[1])
    if not detail:
        return schema
    event = Event(
        schema.version + 1, change[0], call.request_id, fingerprint, call.at, call.by, detail
    )
    return _applied(schema, event)


def _applied(schema: Schema, event: Event) -> Schema:
    events = (*schema.events, event)
    if event.kind == "several":
        return replace(schema, version=event.version, events=events, **event.detail)
    classes = list(schema.classes)
    _APPLY[event.kind](classes, event.detail)
    return replace(schema, version=event.version, classes=tuple(classes), events=events)


# --- add ----------------------------------------------------------------------------------------


def _check_add(schema: Schema, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = [LabelClass(**each) for each in detail["classes"]]
    if len(wanted) > MAX_ADDED:
        raise InvalidArgument(f"at most {MAX_ADDED} classes a call", field="classes")
    in_use = schema.in_use()
    keys = {each.key for each in in_use.values()}
    added: dict[str, LabelClass] = {}
    for position, each in enumerate(wanted):
        field = f"classes[{position}]"
        new = _checked_fields(replace(each, merged_into=0), schema, field)
        if new.name in in_use or new.name in added:
            continue
        if new.key and new.key in keys:
            raise InvalidArgument(f"the key {new.key!r} is in use", field=f"{field}.key")
        keys.add(new.key)
        added[new.name] = replace(new, class_id=len(schema.classes) + len(added) + 1)
    if len(schema.classes) + len(added) > MAX_CLASSES:
        raise InvalidArgument(f"at most {MAX_CLASSES} classes", field="classes")
    return {"classes": [asdict(each) for each in added.values()]} if added else {}


def _apply_add(classes: list[LabelClass], detail: Mapping[str, Any]) -> None:
    classes.extend(LabelClass(**each) for each in detail["classes"])


# --- update -------------------------------------------------------------------------------------


def _check_update(schema: Schema, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = LabelClass(**detail["label_class"])
    before = _usable(schema, wanted.class_id, "label_class.class_id")
    after = _checked_fields(replace(wanted, merged_into=0), schema, "label_class")
    _check_no_loop(schema, after)
    for other in schema.in_use().values():
        if other.class_id == after.class_id:
            continue
        if other.name == after.name:
            raise AlreadyExists(f"the name {after.name!r} is in use", field="label_class.name")
        if after.key and other.key == after.key:
            raise AlreadyExists(f"the key {after.key!r} is in use", field="label_class.key")
    return {} if after == before else {"label_class": asdict(after)}


def _check_no_loop(schema: Schema, changed: LabelClass) -> None:
    parent = changed.parent_id
    while parent:
        if parent == changed.class_id:
            raise InvalidArgument(
                "a class can't be its own ancestor", field="label_class.parent_id"
            )
        parent = schema.classes[parent - 1].parent_id


def _apply_update(classes: list[LabelClass], detail: Mapping[str, Any]) -> None:
    changed = LabelClass(**detail["label_class"])
    classes[changed.class_id - 1] = changed


# --- merge --------------------------------------------------------------------------------------


def _check_merge(schema: Schema, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    source, into = detail["from"], detail["into"]
    if source == into:
        raise InvalidArgument("a class can't be merged into itself", field="into_class_id")
    if schema.find(source, "from_class_id").merged_into == into:
        return {}
    _usable(schema, source, "from_class_id")
    _usable(schema, into, "into_class_id")
    return detail


def _apply_merge(classes: list[LabelClass], detail: Mapping[str, Any]) -> None:
    source, into = detail["from"], detail["into"]
    if _is_ancestor(classes, source, of=into):
        # Else the children of the one would become ancestors of the other, and a loop.
        classes[into - 1] = replace(classes[into - 1], parent_id=classes[source - 1].parent_id)
    classes[source - 1] = replace(classes[source - 1], merged_into=into)
    for position, each in enumerate(classes):
        if each.merged_into == source:
            classes[position] = replace(each, merged_into=into)
        elif each.parent_id == source and each.class_id != into:
            classes[position] = replace(each, parent_id=into)


def _is_ancestor(classes: Sequence[LabelClass], ancestor: int, *, of: int) -> bool:
    parent = classes[of - 1].parent_id
    while parent and parent != ancestor:
        parent = classes[parent - 1].parent_id
    return parent == ancestor


# --- several ------------------------------------------------------------------------------------


def _check_several(schema: Schema, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    if detail["several"] == schema.several:
        return {}
    if schema.classes:
        raise Conflict(
            "whether an image may be of several classes is fixed once there is a class",
            reason="SCHEMA_FIXED",
            field="several",
        )
    return detail


_APPLY = {"add": _apply_add, "update": _apply_update, "merge": _apply_merge}


# --- fields -------------------------------------------------------------------------------------


def _usable(schema: Schema, class_id: int, field: str) -> LabelClass:
    found = schema.find(class_id, field)
    if found.merged_into:
        raise Conflict(
            f"class {class_id} is out of use: it was merged into {found.merged_into}",
            reason="CLASS_MERGED",
            field=field,
            metadata={"merged_into": str(found.merged_into)},
        )
    return found


def _checked_fields(wanted: LabelClass, schema: Schema, field: str) -> LabelClass:
    name = _text(wanted.name, MAX_NAME, f"{field}.name")
    if not name:
        raise InvalidArgument("a class needs a name", field=f"{field}.name")
    if schema.several and ";" in name:
        raise InvalidArgument(
            "files join the classes of an image by ';': no name may have it", field=f"{field}.name"
        )
    key = _text(wanted.key, 1, f"{field}.key")
    if wanted.color and not _COLOUR.fullmatch(wanted.color):
        raise InvalidArgument("a colour has the form #rrggbb", field=f"{field}.color")
    parent = wanted.parent_id
    if parent and not (1 <= parent <= len(schema.classes)):
        raise InvalidArgument(f"there is no class {parent}", field=f"{field}.parent_id")
    if parent and schema.classes[parent - 1].merged_into:
        raise InvalidArgument(f"class {parent} is out of use", field=f"{field}.parent_id")
    guideline = _text(wanted.guideline, MAX_GUIDELINE, f"{field}.guideline", allowed="\n\t")
    _check_examples(wanted.examples, f"{field}.examples")
    return replace(wanted, name=name, key=key, guideline=guideline)


def _check_examples(rows: Sequence[int], field: str) -> None:
    if len(rows) > MAX_EXAMPLES:
        raise InvalidArgument(f"at most {MAX_EXAMPLES} examples", field=field)
    if len(set(rows)) < len(rows) or any(row < 0 for row in rows):
        raise InvalidArgument("examples are rows of the collection, each once", field=field)


def _text(value: str, most: int, field: str, *, allowed: str = "") -> str:
    """The text, composed (NFC) and stripped, so that what looks the same is the same."""
    text = unicodedata.normalize("NFC", value).strip()
    if len(text) > most:
        raise InvalidArgument(f"at most {most} characters", field=field)
    if any(_is_control(each) and each not in allowed for each in text):
        raise InvalidArgument("control characters are not allowed", field=field)
    return text


def _is_control(character: str) -> bool:
    # Cc hides text, Cs is half a character, Zl and Zp end a line; the others reorder what follows.
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _REORDERING
