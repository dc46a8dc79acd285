"""What the client hands out: plain, frozen, free of gRPC and protobuf."""

from hundredfold.client.types.catalog import Collection, Image, LabelClass, Schema
from hundredfold.client.types.index import (
    Assignment,
    Cluster,
    DuplicateGroup,
    DuplicateGroups,
    Filter,
    Found,
    Index,
    Map,
)
from hundredfold.client.types.labels import (
    MODEL_ORIGIN,
    Annotator,
    Audit,
    AuditGroup,
    Certificate,
    Event,
    Labels,
    Progress,
    Undone,
)
from hundredfold.client.types.loop import BackboneRound, Forecast, Loop
from hundredfold.client.types.pages import Judgement, Lease, Page, PageKind, Rows, Verdict
from hundredfold.client.types.review import Flag, Selection, UndoneMany, UndoPreview
from hundredfold.client.types.runs import Run, RunFile
from hundredfold.client.types.training import (
    Head,
    Model,
    Predictions,
    SpaceComparison,
    SpaceQuality,
    Suspicious,
)

__all__ = [
    "MODEL_ORIGIN",
    "Annotator",
    "Assignment",
    "Audit",
    "AuditGroup",
    "BackboneRound",
    "Certificate",
    "Cluster",
    "Collection",
    "DuplicateGroup",
    "DuplicateGroups",
    "Event",
    "Filter",
    "Flag",
    "Forecast",
    "Found",
    "Head",
    "Image",
    "Index",
    "Judgement",
    "LabelClass",
    "Labels",
    "Lease",
    "Loop",
    "Map",
    "Model",
    "Page",
    "PageKind",
    "Predictions",
    "Progress",
    "Rows",
    "Run",
    "RunFile",
    "Schema",
    "Selection",
    "SpaceComparison",
    "SpaceQuality",
    "Suspicious",
    "UndoPreview",
    "Undone",
    "UndoneMany",
    "Verdict",
]
