"""What commands have written: files, weights, and the numbers that a training has logged."""

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def contents(folder):
    """{path: bytes} of the files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def weights(out):
    """{name: tensor} of <out>/weights.pth."""
    return torch.load(out / "weights.pth", weights_only=True)["state_dict"]


def scalars(out):
    """{name: {step: number}} of <out>/tensorboard."""
    log = EventAccumulator(str(out / "tensorboard"))
    log.Reload()
    return {name: {each.step: each.value for each in log.Scalars(name)} for name in log.Tags()["scalars"]}
