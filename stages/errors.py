"""Errors that are shown in one line, because the user can do something about them. Any other is a bug."""

import errno
import os
import signal
import sys

from stages.files import InputError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # full disk, exceeded quota, exceeded file size limit
RESUMES = "the same command resumes it"
LESS_MEMORY = "a smaller --batch-size, fewer --workers or, of a CRF, less --crf-memory need less"


class WorkerKilled(RuntimeError):
    """A worker process was ended by a signal. Attributes: `pid`, `signal` (signal.Signals)."""

    def __init__(self, pid: int, number: int):
        self.pid, self.signal = pid, signal.Signals(number)
        super().__init__(f"worker process {pid} was killed by {self.signal.name}")


def one_line(error: Exception) -> str | None:
    """The message for an InputError, a full disk, lack of memory or a killed worker, by type; None for a bug."""
    if isinstance(error, InputError):  # one from a loader's worker has the traceback of there before it
        return str(error).strip().rpartition("stages.files.InputError: ")[2]
    number = error.errno if isinstance(error, OSError) else None
    if number in NO_ROOM:
        return f"{error.filename or 'writing'}: {os.strerror(number)}; {RESUMES}"
    if isinstance(error, WorkerKilled):
        reason = f", as the system does where memory is short: {LESS_MEMORY}" if error.signal == signal.SIGKILL else ""
        return f"{error}{reason}; {RESUMES}"
    torch = sys.modules.get("torch")  # unless it is imported, it has raised nothing
    out_of_memory = getattr(torch, "OutOfMemoryError", MemoryError)
    if isinstance(error, (MemoryError, out_of_memory)) or number == errno.ENOMEM:
        return f"not enough memory ({str(error).strip() or type(error).__name__}); {LESS_MEMORY}; {RESUMES}"
    return None
