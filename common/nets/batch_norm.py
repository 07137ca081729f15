"""Batch norm that keeps the statistics and parameters of its pretrained weights."""

from collections.abc import Iterable

from torch import nn


class Frozen:
    """Mixin for a layer that train() leaves in eval mode."""

    def train(self, mode: bool = True) -> nn.Module:
        return super().train(False)


def freeze_batch_norm(network: nn.Module, missing_keys: Iterable[str] = ()) -> None:
    """Freeze statistics and parameters of each pretrained batch norm, as DeepLab-v2 does.

    Not those with tensors among `missing_keys`, which the pretrained file lacks: their statistics would stay 0 and 1.
    A layer keeps its tensors, their names and its own forward (timm's has an activation in it).
    """
    new = {name.rpartition(".")[0] for name in missing_keys}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.BatchNorm2d) and name not in new:
            layer.__class__ = type(f"Frozen{type(layer).__name__}", (Frozen, type(layer)), {})
            layer.eval().requires_grad_(False)
