"""A way to run the calls of a script in this process, which has PyTorch already."""

import os
import runpy
import signal
import sys

import pytest

from tests.wiring.scripts import ROOT


@pytest.fixture
def replay(monkeypatch):
    """`replay(calls, place)` runs calls that calls_of recorded with RUN=<place>/recorded, in the folder <place>/run.

    Their paths start at `root`, by default the repository's.
    """
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)  # one core: no processes
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(calls, place, root=ROOT):
        monkeypatch.chdir(root)
        (place / "run").mkdir(exist_ok=True)
        for module, words in calls:
            words = [word.replace(str(place / "recorded"), str(place / "run")) for word in words]
            monkeypatch.setattr(sys, "argv", [str(ROOT / f"{module.replace('.', '/')}.py"), *words])
            try:
                runpy.run_module(module, run_name="__main__")
            except SystemExit as end:
                assert not end.code, module

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
