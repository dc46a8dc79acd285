"""Room for arrays that can be made again."""

import gc

import numpy as np

from hundredfold.training.scratch import Scratch


def test_an_array_keeps_what_is_written_and_leaves_no_file(tmp_path):
    array = Scratch(str(tmp_path), 1000).array((5, 4))
    array[:] = np.arange(20).reshape(5, 4)
    np.testing.assert_array_equal(array[3], [12, 13, 14, 15])
    assert array.dtype == np.float16
    assert not list(tmp_path.iterdir())


def test_there_is_no_more_than_was_allowed_until_something_is_let_go(tmp_path):
    scratch = Scratch(str(tmp_path), 100)
    first = scratch.array((10, 4))
    assert scratch.array((4, 4)) is None
    del first
    gc.collect()
    assert scratch.array((4, 4)) is not None


def test_nothing_takes_no_room(tmp_path):
    assert Scratch(str(tmp_path), 100).array((0, 4)) is None
