"""Where a network runs and in which precision."""

import os
from functools import cache
from pathlib import Path

import torch

from common import distributed
from common.files import InputError


def pick(name, deterministic=False, tf32=True):
    """The torch.device that `--device` names, a GPU with its index. Raises InputError if there is none such.

    auto is a GPU if there is one; auto and cuda are the first, or, under torchrun, the one of this process.
    With `deterministic`, PyTorch takes operators that give the same bits each time, and warns where it has none.
    Without `tf32`, convolutions in float32 keep all of its 24 bits on a GPU.
    """
    torch.backends.cudnn.allow_tf32 = tf32
    if deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True, warn_only=True)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":  # the index has to be named: torch.cuda.set_device refuses a device without
        name = f"cuda:{distributed.LOCAL_RANK}"
    elif name.startswith("cuda") and distributed.LOCAL_WORLD_SIZE > 1:
        raise InputError(f"--device {name}: expected cuda or auto, a GPU for each process, not one GPU for all of them")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(f"--device {name}: expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and device.index >= torch.cuda.device_count():
        raise InputError(f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices")
    if device.type == "cuda":
        torch.cuda.set_device(device)  # where NCCL works, and whose random state a checkpoint holds
    return device


def autocast(device, enabled):
    """bfloat16 where it is safe, if `enabled`, or, for None, if it pays; losses are computed outside of it, in float32."""
    enabled = has_fast_bfloat16(device) if enabled is None else enabled
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


@cache
def has_fast_bfloat16(device):
    """Whether the hardware multiplies in bfloat16; elsewhere it is emulated, which is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and bool({"avx512_bf16", "amx_bf16"} & set(cpu.read_text().split()))


def place(model, device):
    """Moves a network to its device, in channels-last layout, which convolutions prefer on CPUs and GPUs alike."""
    return model.to(device, memory_format=torch.channels_last)


def one_behind(started):
    """Yields (key, CPU tensor) for every (key, tensor) of `started`, a generator that runs a network.

    A GPU has then been given the next item already, and computes it while the caller uses this one.
    """
    previous = None
    for key, tensor in started:
        current = key, Arriving(tensor)
        if previous:
            yield previous[0], previous[1].get()
        previous = current
    if previous:
        yield previous[0], previous[1].get()


class Arriving:
    """A tensor on its way to the CPU; a GPU and this process go on meanwhile."""

    def __init__(self, tensor):
        self.copy = tensor.to("cpu", non_blocking=True)
        self.event = torch.cuda.current_stream(tensor.device).record_event() if tensor.is_cuda else None

    def get(self):
        """The tensor on the CPU, once it is there."""
        if self.event:
            self.event.synchronize()
        return self.copy
