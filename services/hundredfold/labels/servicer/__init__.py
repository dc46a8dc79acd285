"""LabelsService over gRPC."""

from hundredfold.labels.servicer.labels_servicer import LabelsServicer, mount

__all__ = ["LabelsServicer", "mount"]
