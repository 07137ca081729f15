"""Which errors are told in one line: those that the user can do something about. Any other is a bug."""

import errno
import os
import re
import signal
import sys
import traceback

from stages.files import InputError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # the disk, the user's share of it, the largest file allowed
RESUMES = "the same command goes on where it stopped"
LESS_MEMORY = "a smaller --batch-size, fewer --workers or, of a CRF, less --crf-memory need less"
ALLOCATOR = re.compile(r"\[enforce fail at alloc_cpu\.cpp:\d+\]")  # how PyTorch begins its CPU allocator's message
FROM_LOADER = re.compile(r"Caught (\w+) in DataLoader worker process \d+\.\n")
LOADER = "torch.utils.data"  # the module that notices the death of a loader's worker, below which its message is made
LOADER_KILLED = re.compile(r"DataLoader worker \(pid (\d+)\) is killed by signal: ([^.]*)\.")
NO_ADDRESSES = "failed to map segment from shared object"  # the dynamic loader's only sign of ENOMEM
NO_THREAD = "can't start new thread"  # Python's only sign of EAGAIN, where there is no memory for its stack


class WorkerKilled(RuntimeError):
    """A worker process was ended by a signal. Attributes: `pid`, `signal` (signal.Signals)."""

    def __init__(self, pid: int, number: int):
        self.pid, self.signal = pid, signal.Signals(number)
        super().__init__(f"worker process {pid} was killed by {self.signal.name}")


def one_line(error: Exception) -> str | None:
    """The message for an InputError, a full disk, want of memory and a killed worker; None for a bug.

    An error is known by its type and by what raised it. Words alone decide nothing: a KeyError may quote any of them.
    """
    if isinstance(error, InputError):
        return _text(error)
    if (number := _errno(error)) in NO_ROOM:
        return f"{error.filename or 'writing'}: {os.strerror(number)}; {RESUMES}"
    if killed := _killed_worker(error):
        return f"{killed}{_reason(killed.signal)}; {RESUMES}"
    if _lacks_memory(error):
        return f"not enough memory ({_text(error) or type(error).__name__}); {LESS_MEMORY}; {RESUMES}"
    return None


def _type_in_loader(error):
    """The name of the type of an error that a loader's worker raised, None of another.

    PyTorch raises it again here with the worker's traceback as its message: as the same type, or, if that takes other
    arguments, as a RuntimeError.
    """
    found = FROM_LOADER.match(str(error))
    return found[1] if found and type(error).__name__ in (found[1], "RuntimeError") else None


def _text(error):
    """The message of an error, without the traceback that PyTorch puts around it."""
    if not _type_in_loader(error):
        return str(error).strip()
    lines = str(error).strip().split("\n")
    stack = max(number for number, line in enumerate(lines) if number == 0 or line.startswith("  "))
    return re.sub(r"^[\w.]+: ", "", "\n".join(lines[stack + 1 :]))


def _errno(error):
    """The number of an OSError, whose attribute is lost on the way from a loader's worker; None of another error."""
    if not isinstance(error, OSError):
        return None
    found = re.match(r"\[Errno (\d+)\]", _text(error)) if _type_in_loader(error) else None
    return int(found[1]) if found else error.errno


def _lacks_memory(error):
    torch, cv2 = sys.modules.get("torch"), sys.modules.get("cv2")  # what was not imported raised nothing
    if isinstance(error, (MemoryError, getattr(torch, "OutOfMemoryError", ()))):
        return True
    if _type_in_loader(error) == "MemoryError":  # NumPy's, which is a RuntimeError here
        return True
    if isinstance(error, getattr(cv2, "error", ())):
        return "error: (-4:" in _text(error)  # OpenCV's Error::StsNoMem; the attribute `code` is not always set
    if isinstance(error, ImportError):
        return any(str(each).endswith(NO_ADDRESSES) for each in _chain(error))
    if type(error) is RuntimeError:
        return bool(ALLOCATOR.match(_text(error))) or _raised_in(error, "threading") and str(error) == NO_THREAD
    return _errno(error) == errno.ENOMEM


def _killed_worker(error):
    """The WorkerKilled that `error` is or tells of, or None."""
    if isinstance(error, WorkerKilled):
        return error
    for each in _chain(error):
        if type(each) is RuntimeError and _raised_in(each, LOADER):
            names = {signal.strsignal(number): number for number in signal.Signals}
            if (found := LOADER_KILLED.match(str(each))) and found[2] in names:
                return WorkerKilled(int(found[1]), names[found[2]])
    return None


def _raised_in(error, module):
    """Whether it was code of a module, or of one in that package, that raised an error."""
    names = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(names) and f"{names[-1]}.".startswith(f"{module}.")


def _chain(error):
    """An error, and those that it was raised from or while handling."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(number):
    """What a signal may say about the machine."""
    if number == signal.SIGKILL:
        return f", as the system does where memory is short: {LESS_MEMORY}"
    if number == signal.SIGBUS:
        return ", as happens where shared memory is short: fewer --workers need less"
    return ""
