"""Which device a name means, with and without GPUs, alone and under torchrun; the GPUs are mocked."""

import pytest
import torch

from common.training import device as devices
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

    def mock(count, capability=(9, 0)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_90a", "sm_120", "compute_120"])
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.cuda, "set_device", set_device)
        return chosen

    return mock


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """The folder that stands for /dev and PATH and holds the driver's version: at first of a machine without a GPU."""
    monkeypatch.setattr(devices, "DRIVER", tmp_path / "version")
    monkeypatch.setattr(devices, "NODES", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


OLD = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02  Tue Jul 13 16:14:05 UTC 2021\nGCC version:  9.3.0\n"
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder)\n"


@pytest.fixture
def torchrun(monkeypatch):
    """`torchrun(rank, processes)` mocks its variables on the second of two machines with so many processes each."""

    def mock(rank, processes):
        for name, value in (("RANK", processes + rank), ("LOCAL_RANK", rank)):
            monkeypatch.setattr(distributed, name, value)
        for name, value in (("WORLD_SIZE", 2 * processes), ("LOCAL_WORLD_SIZE", processes)):
            monkeypatch.setattr(distributed, name, value)

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


def test_a_gpu_older_than_pytorch_was_built_for_is_refused(gpus, monkeypatch):
    """A V100, whose first operation would fail."""
    monkeypatch.setattr(torch, "__version__", "2.14.1+cu130")
    chosen = gpus(1, (7, 0))
    with pytest.raises(
        InputError, match=r"--device cuda:0: PyTorch 2\.14\.1\+cu130 is built for .* 7\.5 .* has 7\.0: "
    ):
        devices.select_device("auto")
    assert not chosen and gpus(1, (7, 5)) is chosen and devices.select_device("auto").index == 0


def test_one_gpu_for_all_processes_is_refused(gpus, torchrun):
    gpus(2)
    torchrun(1, 2)
    with pytest.raises(InputError, match="--device cuda:0: expected cuda or auto, a GPU for each process"):
        devices.select_device("cuda:0")


def test_the_gpu_of_the_only_process_on_a_machine_may_be_named(gpus, torchrun, monkeypatch):
    gpus(2)
    torchrun(0, 1)
    monkeypatch.setattr(distributed, "WORLD_SIZE", 2)  # the other one runs on another machine
    assert devices.select_device("cuda:1") == torch.device("cuda", 1)


def test_more_processes_than_gpus_are_refused(gpus, torchrun):
    gpus(1)
    torchrun(1, 2)
    with pytest.raises(InputError, match="--device cuda:1: this machine has 1 CUDA devices"):
        devices.select_device("auto")


def test_without_a_gpu_auto_is_the_cpu(gpus):
    assert gpus(0) == [] and devices.select_device("auto") == torch.device("cpu")
    with pytest.raises(InputError, match="--device cuda:0: this machine has 0 CUDA devices"):
        devices.select_device("cuda")


def install(path):
    path.touch()
    path.chmod(0o755)


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:1"])
@pytest.mark.parametrize("given", ["nvidia0", "nvidia-smi"])  # without nodes yet: nothing has used the GPU so far
def test_a_gpu_that_pytorch_cannot_use_is_no_reason_for_the_cpu(gpus, machine, monkeypatch, name, given):
    gpus(0)
    install(machine / given)
    (machine / "version").write_text(OLD)
    monkeypatch.setattr(torch, "__version__", "2.14.1+cu130")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(InputError) as raised:
        devices.select_device(name)
    assert str(raised.value) == (
        f"--device {name}: PyTorch 2.14.1+cu130, for CUDA 13.0, cannot use the GPU with this machine's NVIDIA driver "
        "470.57.02: expected versions that go together (docs/voc12.md), or, for the CPU, --device cpu, or "
        "CUDA_VISIBLE_DEVICES= before a script, without GPUS"
    )
    assert devices.select_device("cpu") == torch.device("cpu")


def test_a_pytorch_without_cuda_is_named(gpus, machine, monkeypatch):
    gpus(0)
    (machine / "nvidia1").touch()
    (machine / "version").write_text(OPEN)
    monkeypatch.setattr(torch, "__version__", "2.14.1+cpu")
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(InputError, match=r"PyTorch 2\.14\.1\+cpu, without CUDA, .* driver 580\.65\.06:"):
        devices.select_device("auto")


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles"])  # Slurm's word for a job without a GPU
def test_who_hides_the_gpus_gets_the_cpu(gpus, machine, monkeypatch, visible):
    gpus(0)
    (machine / "nvidia0").touch()
    (machine / "version").write_text(OLD)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.select_device("auto") == torch.device("cpu")


def test_a_container_without_a_gpu_gets_the_cpu(gpus, machine):
    """It sees the driver of the machine that it is on, but nothing to use it with."""
    gpus(0)
    (machine / "version").write_text(OLD)
    (machine / "nvidiactl").touch()
    assert devices.select_device("auto") == torch.device("cpu")


def test_a_job_that_may_open_no_gpu_gets_the_cpu(gpus, machine, monkeypatch):
    gpus(0)
    for name in ("nvidia0", "nvidia-smi"):
        install(machine / name)
    (machine / "version").write_text(OLD)
    monkeypatch.setattr(devices.os, "access", lambda path, mode: False)  # as under a control group's rule
    assert devices.select_device("auto") == torch.device("cpu")


def test_tf32_is_switched(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    devices.select_device("cpu", tf32=False)
    assert not torch.backends.cudnn.allow_tf32
    devices.select_device("cpu")
    assert torch.backends.cudnn.allow_tf32
