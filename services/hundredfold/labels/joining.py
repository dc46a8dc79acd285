"""Images with their labels, as a file of labels has them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hundredfold.labels.domain.copies import Copies, inherited_pairs
from hundredfold.labels.domain.page import Ids, Rows
from hundredfold.labels.domain.state import Labels
from hundredfold.labels.formats.base import JOINT, PAIR_COLUMNS


class Joined(Protocol):
    """Puts the labels beside the images of a part."""

    def __call__(self, images: pa.Table, *, everything: bool) -> pa.Table:
        """The images of which something is known, or all that can be used."""


def joined_pairs(labels: Labels, copies: Copies | None, names: Mapping[int, str]) -> Joined:
    """Of images that may be of several classes: the names of what each is, and of what it is not."""
    every = inherited_pairs(labels, copies)

    def join(images: pa.Table, *, everything: bool) -> pa.Table:
        rows = images["row"].to_numpy()
        yes = _sets(rows, every.rows, every.class_ids)
        no = _sets(rows, every.negative_rows, every.negative_class_ids)
        known = np.array([bool(a or b) for a, b in zip(yes, no, strict=True)], np.bool_)
        kept = pc.equal(images["status"], "ok").to_numpy() & (known | everything)
        representative = rows if copies is None else copies.of(rows)
        at = np.flatnonzero(kept).tolist()
        columns = {
            "label": [JOINT.join(names[each] for each in yes[place]) for place in at],
            "class_ids": [JOINT.join(map(str, yes[place])) for place in at],
            "not_label": [JOINT.join(names[each] for each in no[place]) for place in at],
            "representative": representative[kept],
        }
        return with_columns(images.filter(pa.array(kept)), PAIR_COLUMNS, columns)

    return join


def with_columns(table: pa.Table, schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    """The table with further columns, of the types that a schema says."""
    for name, values in columns.items():
        field = schema.field(name)
        table = table.append_column(field, pa.array(values, field.type))
    return table


def _sets(rows: Rows, named: Rows, class_ids: Ids) -> Sequence[list[int]]:
    """The classes of rows [n], of pairs whose rows ascend."""
    starts = np.searchsorted(named, rows)
    ends = np.searchsorted(named, rows, side="right")
    return [class_ids[a:b].tolist() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
