"""SIGTERM and Ctrl-C end a stage: at once, or, where it would be a pity or a risk, at the next point that suits it."""

import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager

_received = None  # the signal that waits for a point that suits
_deferred = 0  # how many `deferred` are open


class Interrupted(BaseException):
    """The work has stopped because it was asked to. Attributes: `signal`, its number, and `where`, how far it came."""

    def __init__(self, signal, where=""):
        self.signal, self.where = signal, where


def listen():
    """From now on SIGTERM and SIGINT raise Interrupted in the main thread."""
    global _received
    _received = None
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _receive)


def _receive(number, frame):
    global _received
    if not _deferred or _received is not None:
        raise Interrupted(number)
    _received = number


@contextmanager
def deferred():
    """A block in which a first signal only shows in `requested` and `check`, a second one stops it at once."""
    global _deferred
    _deferred += 1
    try:
        yield
    finally:
        _deferred -= 1
    check()


def requested():
    """The signal that was received in a `deferred` block, or None."""
    return _received


def check():
    """Raises Interrupted if a signal was received in a `deferred` block."""
    if _received is not None:
        raise Interrupted(_received)


def start_worker(*_):
    """For the start of every worker process: it ends when its parent does or says so, whatever other signals it gets.

    A terminal, torchrun or a batch system may signal all processes, and the parent has yet to finish with its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    parent = multiprocessing.parent_process().pid  # not os.getppid(): it may be dead by now
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent):
    while os.getppid() == parent:
        received = signal.sigtimedwait({signal.SIGTERM}, 0.5)
        if received and received.si_pid == parent:
            os._exit(0)
    os._exit(1)
