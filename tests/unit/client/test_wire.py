"""What the client makes of messages."""

import numpy as np

from hundredfold.api.common.v1 import page_pb2
from hundredfold.chassis.tensors import pack
from hundredfold.client import wire


def test_arrays_that_a_page_leaves_out_are_empty() -> None:
    message = page_pb2.Page(
        page_id="p", kind=page_pb2.PAGE_KIND_CLUSTER, rows=pack(np.arange(3, dtype=np.int64))
    )
    page = wire.page(message)
    assert page.rows.tolist() == [0, 1, 2]
    assert (page.second.shape, page.second.dtype) == ((0,), np.int32)
    assert (page.probability.shape, page.probability.dtype) == ((0,), np.float32)
