"""Batches of one size."""

from common.training.loading import batches_of_one_size


def test_batches_hold_one_size_each_index_once_and_come_as_soon_as_they_are_full():
    read = []
    sizes = (read.append(size) or size for size in [(2, 3), (3, 2), (2, 3), (2, 3), (3, 2), (2, 3), (2, 2), (2, 3)])
    batches = batches_of_one_size(sizes, 2)
    assert next(batches) == [0, 2] and len(read) == 3
    assert list(batches) == [[1, 4], [3, 5], [6], [7]]
    done = [True, False, True, True, True, True, True, False]
    assert list(batches_of_one_size(read, 2, done)) == [[1, 4], [7]]  # a batch with one that is not done is whole
