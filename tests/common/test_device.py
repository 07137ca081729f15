"""Which device a name means, with and without GPUs, alone and under torchrun; the GPUs are mocked."""

import pytest
import torch

from common import device as devices
from stages import distributed
from stages.files import InputError


@pytest.fixture
def gpus(monkeypatch):
    """`gpus(count)` mocks so many GPUs, whose `set_device` wants an index, too. Returns those it was given."""
    chosen = []

    def set_device(device):
        if device.index is None:
            raise ValueError(f"Expected a torch.device with a specified index or an integer, but got: {device}")
        chosen.append(device.index)

    def mock(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "set_device", set_device)
        return chosen

    return mock


@pytest.fixture
def torchrun(monkeypatch):
    """`torchrun(rank, processes)` mocks its variables, on one machine."""

    def mock(rank, processes):
        for name, value in (("RANK", rank), ("LOCAL_RANK", rank)):
            monkeypatch.setattr(distributed, name, value)
        for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
            monkeypatch.setattr(distributed, name, processes)

    return mock


@pytest.mark.parametrize(("name", "index"), [("auto", 0), ("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_a_gpu_has_an_index(gpus, name, index):
    chosen = gpus(2)
    assert devices.select_device(name) == torch.device("cuda", index) and chosen == [index]


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_under_torchrun_each_process_has_its_gpu(gpus, torchrun, name):
    chosen = gpus(3)
    for rank in range(3):
        torchrun(rank, 3)
        assert devices.select_device(name) == torch.device("cuda", rank)
    assert chosen == [0, 1, 2]


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_one_process_of_a_machine_may_be_torchruns(gpus, torchrun, name):
    gpus(1)
    torchrun(0, 1)
    assert devices.select_device(name) == torch.device("cuda", 0)


def test_one_gpu_for_all_processes_is_refused(gpus, torchrun):
    gpus(2)
    torchrun(1, 2)
    with pytest.raises(InputError, match="--device cuda:0: expected cuda or auto, a GPU for each process"):
        devices.select_device("cuda:0")


def test_more_processes_than_gpus_are_refused(gpus, torchrun):
    gpus(1)
    torchrun(1, 2)
    with pytest.raises(InputError, match="--device cuda:1: this machine has 1 CUDA devices"):
        devices.select_device("auto")


def test_without_a_gpu_auto_is_the_cpu(gpus):
    assert gpus(0) == [] and devices.select_device("auto") == torch.device("cpu")
    with pytest.raises(InputError, match="--device cuda:0: this machine has 0 CUDA devices"):
        devices.select_device("cuda")


def test_tf32_is_switched(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    devices.select_device("cpu", tf32=False)
    assert not torch.backends.cudnn.allow_tf32
    devices.select_device("cpu")
    assert torch.backends.cudnn.allow_tf32
