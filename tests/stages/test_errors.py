"""stages.errors: what is told in one line, and that a bug shows its traceback whatever words it quotes."""

import errno
import os
import signal

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from stages.errors import one_line
from stages.files import InputError
from stages.parallel import map_each

RESUMES = "the same command resumes it"
HUGE = 10**15  # bytes, more than any address space has


def told_of(function, *arguments):
    """What is told of the error that a call raises."""
    try:
        function(*arguments)
    except Exception as error:
        return one_line(error)
    raise AssertionError("raised nothing")


def raise_(error):
    raise error


class Failing(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise InputError("a.png: expected an image")


def test_input_error_is_its_own_line():
    assert one_line(InputError("a.png: expected an image")) == "a.png: expected an image"
    batches = iter(DataLoader(Failing(), num_workers=1))
    assert told_of(next, batches) == "a.png: expected an image"
    batches._shutdown_workers()  # left to the garbage collector, it takes 5 s


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk(number):
    error = OSError(number, os.strerror(number), "out/a.png")
    assert one_line(error) == f"out/a.png: {os.strerror(number)}; {RESUMES}"


WANTS = {
    "Python": lambda: bytearray(HUGE),
    "NumPy": lambda: np.empty(HUGE, np.uint8),
    "PyTorch on a GPU": lambda: raise_(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")),
    "system": lambda: raise_(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))),
}


@pytest.mark.parametrize("function", WANTS.values(), ids=WANTS)
def test_want_of_memory(function):
    message = told_of(function)
    assert message.startswith("not enough memory (") and "--batch-size" in message and message.endswith(RESUMES)


@pytest.mark.parametrize("words", ["out of memory", "[Errno 28] No space left on device", "InputError: a.png"])
def test_another_error_is_a_bug_whatever_its_words(words):
    assert one_line(RuntimeError(words)) is one_line(OSError(errno.EIO, words, "a.png")) is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_killed_worker_is_named_with_its_signal(number):
    message = told_of(list, map_each(signal.raise_signal, [number] * 2, 2, "test"))
    assert f" was killed by {number.name}" in message and message.endswith(RESUMES)
    assert ("memory is short" in message) == (number == signal.SIGKILL)


def test_worker_that_exits_by_itself_is_a_bug():
    assert told_of(list, map_each(os._exit, [1, 1], 2, "test")) is None
