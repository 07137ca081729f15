"""Backbones of timm (PyTorch Image Models): any network with `features_only` and an output stride.

timm is optional (pip install timm). `timm:NAME` names a network where a command asks for its backbone, `--init` a file
of its weights under timm's names, such as weights.fetch writes.
"""

from __future__ import annotations

import torch
from torch import nn

from common.files.preprocess import CONVENTIONS
from stages.files import InputError

PREFIX = "timm:"


class TimmBackbone(nn.Module):
    """(B, 3, H, W) -> (B, `out_channels`, ~H/s, ~W/s): last features of the timm network `name` at output stride s.

    Takes images normalised as torchvision's (common.files.preprocess), and turns them into the network's own mean and
    deviation. Raises InputError if timm is not installed, or has no such network with this output stride.
    """

    def __init__(self, name: str, output_stride: int):
        super().__init__()
        try:
            import timm
        except ImportError:
            raise InputError(f"{PREFIX}{name}: timm is not installed: pip install timm") from None
        try:
            self.body = timm.create_model(name, pretrained=False, features_only=True, output_stride=output_stride)
        except (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError, AssertionError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"{PREFIX}{name}: no network of timm with output stride {output_stride} ({reason})"
            ) from None
        if self.body.feature_info.reduction()[-1] != output_stride:
            raise InputError(f"{PREFIX}{name}: expected a network of timm that takes output stride {output_stride}")
        self.out_channels = self.body.feature_info.channels()[-1]
        _, mean, std = CONVENTIONS["torchvision"]
        config = self.body.pretrained_cfg
        own_mean, own_std = (255 * torch.tensor(config[key]) for key in ("mean", "std"))
        scale = torch.tensor(std) / own_std
        shift = (torch.tensor(mean) - own_mean) / own_std
        self.register_buffer("scale", scale[:, None, None], persistent=False)
        self.register_buffer("shift", shift[:, None, None], persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x * self.scale + self.shift)[-1]
