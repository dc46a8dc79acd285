"""What the client hands out: plain, frozen, free of gRPC and protobuf."""

from hundredfold.client.types.catalog import Collection, Image, LabelClass, Schema
from hundredfold.client.types.hashes import Algorithm, ImageHashes
from hundredfold.client.types.index import (
    Assignment,
    Cluster,
    DuplicateGroup,
    DuplicateGroups,
    Filter,
    Found,
    Index,
    Leaks,
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
    Taken,
    Undone,
)
from hundredfold.client.types.loop import BackboneRound, Forecast, Loop
from hundredfold.client.types.pages import Judgement, Lease, Page, PageKind, Pairs, Rows, Verdict
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
    "Algorithm",
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
    "ImageHashes",
    "Index",
    "Judgement",
    "LabelClass",
    "Labels",
    "Leaks",
    "Lease",
    "Loop",
    "Map",
    "Model",
    "Page",
    "PageKind",
    "Pairs",
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
    "Taken",
    "UndoPreview",
    "Undone",
    "UndoneMany",
    "Verdict",
]
