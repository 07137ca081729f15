"""Where a network runs and in which precision."""

import torch

from common.files import InputError


def pick(name):
    """The torch.device that `--device` names; auto is the first GPU, or the CPU. Raises InputError if there is none such."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"--device {name}: expected auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices")
    return device


def autocast(device, enabled):
    """bfloat16 where it is safe, if `enabled`; losses are computed outside of it, in float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def place(model, device):
    """Moves a network to its device, in channels-last layout, which convolutions prefer on CPUs and GPUs alike."""
    return model.to(device, memory_format=torch.channels_last)
