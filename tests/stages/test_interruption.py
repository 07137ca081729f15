"""stages.interruption: when a signal stops the work."""

import signal

import pytest

from stages import interruption


@pytest.fixture(autouse=True)
def listening():
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    interruption.listen()
    yield
    interruption.listen()  # forgets the signal
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("at_once, steps", [(3600, 2), (0, 1)], ids=["a copy", "a second one"])
def test_a_signal_waits_for_the_end_of_a_deferred_block_and_another_does_not(monkeypatch, at_once, steps):
    """Torchrun and a batch system may both send one signal: soon after the first, another is a copy of it."""
    monkeypatch.setattr(interruption, "AT_ONCE", at_once)
    done = []
    with pytest.raises(interruption.Interrupted), interruption.deferred():
        signal.raise_signal(signal.SIGTERM)
        done.append(interruption.requested())
        signal.raise_signal(signal.SIGTERM)
        done.append(interruption.requested())
    assert done == steps * [signal.SIGTERM]


def test_outside_of_such_a_block_it_stops_the_work():
    with pytest.raises(interruption.Interrupted):
        signal.raise_signal(signal.SIGINT)
