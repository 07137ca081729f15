"""Images in the network's input size, kept in memory that the loader's processes share, so that each is read once."""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Callable
from multiprocessing.reduction import DupFd

import numpy as np

from stages.parallel import spare_memory


class Squares:
    """Up to `count` squares uint8 (size, size, 3), each made by the first process that wants it.

    They lie in a file in memory that no folder names: it is gone when the last process that has it ends, however that
    ends, and takes room for what is stored alone. Processes that are started with this object have it in common.
    """

    def __init__(self, count: int, size: int, descriptor: int | None = None):
        self.count, self.size = count, size
        self.descriptor = os.memfd_create("squares") if descriptor is None else descriptor
        weakref.finalize(self, os.close, self.descriptor)
        os.truncate(self.descriptor, count * (1 + 3 * size * size))
        content = np.frombuffer(mmap.mmap(self.descriptor, 0), np.uint8)
        self.stored, squares = content[:count], content[count:]  # 0 or 1, and then the pixels
        self.squares = squares.reshape(count, size, size, 3)

    def __reduce__(self):
        return _received, (self.count, self.size, DupFd(self.descriptor))

    def get(self, index: int, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The square uint8 (size, size, 3) at `index`, not to be written to; `make()` makes it if it is not there."""
        if not self.stored[index]:
            self.squares[index] = make()
            self.stored[index] = 1  # after the pixels: another process may look now, or write the same ones
        return self.squares[index]


def _received(count, size, descriptor):
    """The Squares of the process that started this one."""
    return Squares(count, size, descriptor.detach())


def shared_squares(count: int, size: int) -> Squares | None:
    """Squares for `count` images; None where they would take too much of the memory, or it cannot be had like that."""
    if count * 3 * size * size > spare_memory():
        return None
    try:
        return Squares(count, size)
    except (AttributeError, OSError):  # a system without such files, a sandbox, a limit of addresses
        return None
