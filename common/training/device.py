"""Devices: selection, precision, and copies from a GPU that do not wait."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stages import distributed
from stages.files import InputError

DRIVER = Path("/proc/driver/nvidia/version")  # of the kernel, which containers share, with a GPU or without
NODES = Path("/dev")
CPU = "--device cpu, or CUDA_VISIBLE_DEVICES= before a script, without GPUS"


def select_device(name: str, deterministic: bool = False, tf32: bool = True) -> torch.device:
    """Select the torch.device that `--device` names, a GPU with its index.

    auto is a GPU if there is one; auto and cuda are the first GPU or, under torchrun, the one of this process.
    With `deterministic`, PyTorch chooses deterministic operators, and warns where it has none. Without `tf32`,
    convolutions in float32 keep all 24 bits of the mantissa on a GPU. Raises InputError if there is no such device, or
    one that this PyTorch cannot use.
    """
    torch.backends.cudnn.allow_tf32 = tf32
    if deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True, warn_only=True)
    if name.startswith(("auto", "cuda")) and not torch.cuda.is_available():
        _refuse_unusable_gpu(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":  # torch.cuda.set_device refuses a device without an index
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
        _refuse_old_gpu(device)
        torch.cuda.set_device(device)  # the GPU that NCCL uses and whose random state a checkpoint holds
    return device


def _refuse_unusable_gpu(name):
    """Raise InputError if this process was given an NVIDIA GPU, which PyTorch does not see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    nodes = list(NODES.glob("nvidia[0-9]*"))  # a container has those of its GPUs; a batch job may open its own alone
    given = any(os.access(node, os.R_OK | os.W_OK) for node in nodes) if nodes else shutil.which("nvidia-smi")
    if not (DRIVER.exists() and given and (visible is None or re.match(r"\d|GPU-|MIG-", visible))):
        return
    driver = re.search(r"\d+(\.\d+)+|$", DRIVER.read_text())[0]
    build = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    raise InputError(
        f"--device {name}: PyTorch {torch.__version__}, {build}, cannot use the GPU with this machine's NVIDIA driver "
        f"{driver}: expected versions that go together (docs/voc12.md), or, for the CPU, {CPU}"
    )


def _refuse_old_gpu(device):
    """Raise InputError if this PyTorch was built for newer GPUs alone, whose kernels this one cannot run."""
    built = [int(each) for each in re.findall(r"sm_(\d+)", " ".join(torch.cuda.get_arch_list()))]
    major, minor = torch.cuda.get_device_capability(device)
    if built and 10 * major + minor < min(built):
        raise InputError(
            f"--device {device}: PyTorch {torch.__version__} is built for GPUs of compute capability {min(built) / 10} "
            f"or later, this one has {major}.{minor}: expected another build (docs/voc12.md), or, for the CPU, {CPU}"
        )


def autocast(device: torch.device, enabled: bool | None) -> torch.autocast:
    """Context of mixed precision with bfloat16, if `enabled`; None enables it where the hardware supports bfloat16.

    Losses are computed outside of it, in float32.
    """
    enabled = has_fast_bfloat16(device) if enabled is None else enabled
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


@cache
def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies in bfloat16; emulation is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and bool({"avx512_bf16", "amx_bf16"} & set(cpu.read_text().split()))


def to_device(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, in channels-last layout, in which convolutions are faster on CPUs and GPUs."""
    return model.to(device, memory_format=torch.channels_last)


def pipelined(outputs: Iterable[tuple[Any, torch.Tensor]]) -> Iterator[tuple[Any, torch.Tensor]]:
    """Yield (key, CPU tensor) for each (key, tensor) of `outputs`, a generator that runs a network.

    Each is one item late, so that a GPU computes the next item while the caller uses this one.
    """
    previous = None
    for key, tensor in outputs:
        current = key, CopyToCPU(tensor)
        if previous:
            yield previous[0], previous[1].get()
        previous = current
    if previous:
        yield previous[0], previous[1].get()


class CopyToCPU:
    """Asynchronous copy of a tensor to the CPU: neither the GPU nor this process waits before `get`."""

    def __init__(self, tensor: torch.Tensor):
        self.copy = tensor.to("cpu", non_blocking=True)
        self.event = torch.cuda.current_stream(tensor.device).record_event() if tensor.is_cuda else None

    def get(self) -> torch.Tensor:
        """Wait for the copy and return it."""
        if self.event:
            self.event.synchronize()
        return self.copy
