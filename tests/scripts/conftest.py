"""A way to run the calls of a script in this process, which has PyTorch already."""

import pytest

from tests.wiring.scripts import ROOT


@pytest.fixture
def replay(in_process, monkeypatch):
    """`replay(calls)` runs calls that calls_of recorded. Their paths start at `root`, by default the repository's."""

    def run(calls, root=ROOT):
        monkeypatch.chdir(root)
        for module, words in calls:
            in_process(module, *words)

    return run
