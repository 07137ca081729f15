"""Where a network runs and in which precision."""

import os
from functools import cache
from pathlib import Path

import torch

from common import distributed
from common.files import InputError


def pick(name, deterministic=False):
    """The torch.device that `--device` names; auto is the first GPU, or the CPU. Raises InputError if there is none such.

    With `deterministic`, PyTorch takes operators that give the same bits each time, and warns where it has none.
    """
    if deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True, warn_only=True)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and distributed.WORLD_SIZE > 1:  # a GPU for each process of this machine
        name = f"cuda:{distributed.LOCAL_RANK}"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(f"--device {name}: expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
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
        copy = tensor.to("cpu", non_blocking=True)
        arrived = torch.cuda.current_stream(tensor.device).record_event() if tensor.is_cuda else None
        if previous:
            yield _arrived(*previous)
        previous = key, copy, arrived
    if previous:
        yield _arrived(*previous)


def _arrived(key, copy, event):
    if event:
        event.synchronize()
    return key, copy
