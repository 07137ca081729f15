"""The defaults that depend on the machine."""

from argparse import ArgumentParser

import pytest

from common.training.arguments import add_device_arguments


@pytest.mark.parametrize(
    ("count", "processes", "workers"),
    [(1, 1, 0), (2, 1, 2), (4, 1, 4), (8, 1, 7), (16, 1, 14), (64, 4, 14), (64, 1, 16), (4, 4, 0)],
)
def test_loaders_take_the_cores_that_are_there(monkeypatch, count, processes, workers):
    """Those of this machine's processes, if there are several, together."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(count)))
    monkeypatch.setattr("stages.distributed.LOCAL_WORLD_SIZE", processes)
    parser = ArgumentParser()
    add_device_arguments(parser)
    assert parser.parse_args([]).workers == workers
