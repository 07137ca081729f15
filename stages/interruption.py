"""SIGTERM and Ctrl-C end a stage: at once, or, in a `deferred` block, at the next point where work can stop."""

import multiprocessing
import os
import signal
import threading
import time
from contextlib import contextmanager

AT_ONCE = 3  # seconds within which a second signal is a copy of the first: torchrun and a batch system may both send it
_received = None  # the signal
_when = 0.0  # it came
_deferred = 0  # how many `deferred` are open


class Interrupted(BaseException):
    """Work was stopped by a signal. Attributes: `signal`, its number, and `where`, how far the work had come."""

    def __init__(self, signal, where=""):
        self.signal, self.where = signal, where


def listen():
    """From now on SIGTERM and SIGINT raise Interrupted in the main thread."""
    global _received
    _received = None
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _receive)


def ignore():
    """From now on SIGTERM and SIGINT are ignored, so that the process can exit undisturbed."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)


def _receive(number, frame):
    global _received, _when
    first = _received is None
    if not first and time.monotonic() - _when < AT_ONCE:
        return
    _received, _when = number, time.monotonic()
    if not (first and _deferred):
        raise Interrupted(number)


@contextmanager
def deferred():
    """In this block the first signal only shows in `requested` and `check`; a later one stops it at once."""
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
    """Initialises a worker process: it exits only with its parent or on its parent's SIGTERM.

    A terminal, torchrun or a batch system may signal all processes, while the parent still needs its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with(parent):
    while parent.is_alive():
        received = signal.sigtimedwait({signal.SIGTERM}, 0.5)
        if received and received.si_pid == parent.pid:
            os._exit(0)
    os._exit(1)


def end_with_torchrun():
    """Makes one of several processes exit once torchrun, its parent, has been killed."""
    threading.Thread(target=_end_without, args=(os.getppid(),), daemon=True).start()


def _end_without(launcher):
    while os.getppid() == launcher:
        time.sleep(0.5)
    os._exit(1)
