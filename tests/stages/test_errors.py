"""stages.errors: what is told in one line, and that a bug shows its traceback whatever words it quotes."""

import errno
import os
import resource
import signal
import threading
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from stages.errors import one_line
from stages.files import InputError
from stages.parallel import for_each

RESUMES = "the same command goes on where it stopped"
HUGE = 10**15  # bytes, more than any address space has


def told_of(function, *arguments):
    """What is told of the error that a call raises."""
    try:
        function(*arguments)
    except Exception as error:
        return one_line(error)
    raise AssertionError("raised nothing")


class Failing(Dataset):
    """Its first item calls a function, in the loader's worker process."""

    def __init__(self, function):
        self.function = function

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.function()


def told_in_loader(function):
    """What is told of the error that `function` raises in the worker of a DataLoader."""
    batches = iter(DataLoader(Failing(function), num_workers=1))
    try:
        return told_of(next, batches)
    finally:
        batches._shutdown_workers()  # left to the garbage collector, it takes 5 s


def raise_(error):
    raise error


def test_input_error_is_its_own_line():
    message = "a.png: expected an image"
    assert one_line(InputError(message)) == message
    assert told_in_loader(lambda: raise_(InputError(message))) == message


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk(number):
    error = OSError(number, os.strerror(number), "out/a.png")
    assert one_line(error) == f"out/a.png: {os.strerror(number)}; {RESUMES}"
    assert told_in_loader(lambda: raise_(OSError(number, ""))) == f"writing: {os.strerror(number)}; {RESUMES}"


def allocate_in_opencv():
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 36, before[1]))  # 64 GiB
    try:
        cv2.resize(np.zeros((2, 2), np.uint8), (1 << 18, 1 << 19))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


WANTS = {
    "Python": lambda: bytearray(HUGE),
    "NumPy": lambda: np.empty(HUGE, np.uint8),
    "PyTorch on a CPU": lambda: torch.empty(HUGE, dtype=torch.uint8),
    "PyTorch on a GPU": lambda: raise_(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")),
    "OpenCV": allocate_in_opencv,
    "system": lambda: raise_(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))),
}


@pytest.mark.parametrize("function", WANTS.values(), ids=WANTS)
def test_want_of_memory(function):
    for message in (told_of(function), told_in_loader(function)):
        assert message.startswith("not enough memory (") and message.endswith(RESUMES)
        assert "Traceback" not in message and "--batch-size" in message


def test_library_that_finds_no_address_space():
    inner = ImportError("/lib/libx.so: failed to map segment from shared object")
    outer = ImportError("Importing the numpy C-extensions failed.")
    outer.__cause__ = inner
    assert one_line(inner).startswith("not enough memory (/lib/libx.so") and one_line(outer)


def test_thread_that_finds_no_memory_for_its_stack():
    before = threading.stack_size(1 << 48)
    try:
        told = told_of(threading.Thread(target=int).start)
    finally:
        threading.stack_size(before)
    assert told.startswith("not enough memory (can't start new thread)")


WORDS = [
    "can't start new thread",
    "out of memory",
    "CUDA out of memory. Tried to allocate 2 GiB",
    "can't allocate memory",
    "Cannot allocate memory",
    "std::bad_alloc",
    "error: (-4:Insufficient memory) Failed to allocate 42 bytes",
    "[Errno 28] No space left on device",
    "InputError: a.png",
    "DataLoader worker (pid 7) is killed by signal: Killed. ",
    "A process in the process pool was terminated abruptly",
    "failed to map segment from shared object",
    "see [enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory",
]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("kind", [KeyError, RuntimeError, ValueError, OSError, cv2.error])
def test_bug_with_unlucky_words_is_a_bug(kind, words):
    if kind is cv2.error and words.startswith("error: (-4:"):
        pytest.skip("this is how OpenCV says it")
    assert one_line(kind(words)) is None


@pytest.mark.parametrize("kind", [KeyError, RuntimeError, ValueError, OSError])
def test_bug_in_a_loaders_worker_is_a_bug(kind):
    for words in ("out of memory", "12: Cannot allocate memory", "InputError: a.png", "MemoryError"):
        assert told_in_loader(partial(raise_, kind(words))) is None


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EIO, errno.EMFILE])
def test_another_error_of_the_system_is_a_bug(number):
    assert one_line(OSError(number, os.strerror(number), "a.png")) is None
    assert told_in_loader(lambda: raise_(OSError(number, ""))) is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS])
def test_killed_worker_is_named_with_its_signal(number):
    messages = [told_in_loader(partial(signal.raise_signal, number))]
    if number != signal.SIGBUS:
        messages.append(told_of(list, for_each(signal.raise_signal, [number] * 2, 2, "test")))
    for message in messages:
        assert f" was killed by {number.name}" in message and message.endswith(RESUMES)
        assert ("memory is short" in message) == (number != signal.SIGSEGV)
        assert not message.startswith("not enough memory")


def test_worker_that_exits_by_itself_is_a_bug():
    assert told_in_loader(lambda: os._exit(1)) is None
    assert told_of(list, for_each(os._exit, [1, 1], 2, "test")) is None
