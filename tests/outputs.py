"""What commands have written: files, weights, and the numbers that a training has logged."""

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def contents(folder):
    """{name: bytes} of the files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def weights(out):
    """{name: tensor} of <out>/weights.pth."""
    return torch.load(out / "weights.pth", weights_only=True)["state_dict"]


def scalars(out):
    """{name: {step: number}} of <out>/tensorboard."""
    log = EventAccumulator(str(out / "tensorboard"))
    log.Reload()
    return {name: {each.step: each.value for each in log.Scalars(name)} for name in log.Tags()["scalars"]}
