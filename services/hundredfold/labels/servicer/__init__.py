"""LabelsService over gRPC."""

from hundredfold.labels.servicer.labels_servicer import LabelsServicer, labels_mount

__all__ = ["LabelsServicer", "labels_mount"]
