"""IndexService over gRPC."""

from hundredfold.index.servicer.index_servicer import IndexServicer, index_mount

__all__ = ["IndexServicer", "index_mount"]
