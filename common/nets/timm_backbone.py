"""Backbones of timm (PyTorch Image Models): any of its networks that has `features_only` and an output stride.

timm is optional. "timm:NAME" names such a network in a command's --backbone and in the `arch` of a weight file.
"""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import nn

from common.files.preprocess import CONVENTIONS
from stages.files import InputError


def in_float32_on_cpu(convolve: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """A convolution in groups, on a CPU in float32: in bfloat16 its gradient takes two to five times as long there."""
    if x.is_cuda:
        return convolve(x)
    with torch.autocast("cpu", enabled=False):
        return convolve(x.float())


class TimmBackbone(nn.Module):
    """(B, 3, H, W) -> (B, `out_channels`, ~H/s, ~W/s): last features of the network `backbone` at output stride s.

    Takes images normalised as torchvision's (common.files.preprocess) and rescales them to the mean and deviation of
    the network's own configuration; crops are thus padded with ImageNet's mean, not with the network's. Raises
    InputError if timm is not installed, or has no such network with this output stride.
    """

    def __init__(self, backbone: str, output_stride: int):
        super().__init__()
        try:
            import timm
        except ImportError:
            raise InputError(f"{backbone}: timm is not installed (pip install timm)") from None
        name = backbone.partition(":")[2]
        try:
            self.body = timm.create_model(name, pretrained=False, features_only=True, output_stride=output_stride)
            stride = self.body.feature_info.reduction()[-1]
        except Exception as error:  # each family of networks refuses in its own way
            reason = " ".join(str(error).split()) or "no dilation"
            raise InputError(f"{backbone}: no network of timm with output stride {output_stride}: {reason}") from None
        if stride != output_stride:
            raise InputError(f"{backbone}: no network of timm with output stride {output_stride}, it has {stride}")
        for module in self.body.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                module.forward = partial(in_float32_on_cpu, module.forward)
        self.backbone = backbone
        self.out_channels = self.body.feature_info.channels()[-1]
        _, mean, std = CONVENTIONS["torchvision"]
        own_mean, own_std = ([255 * each for each in self.body.pretrained_cfg[key]] for key in ("mean", "std"))
        scale = [one / own for one, own in zip(std, own_std)]
        shift = [(one - own) / by for one, own, by in zip(mean, own_mean, own_std)]
        self.register_buffer("scale", torch.tensor(scale)[:, None, None], persistent=False)  # (3, 1, 1)
        self.register_buffer("shift", torch.tensor(shift)[:, None, None], persistent=False)

    def stages(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Features of every stage, from the first to the last."""
        return self.body(x * self.scale + self.shift)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stages(x)[-1]

    def names(self, given: Iterable[str]) -> dict[str, str]:
        """{name in timm's file of the whole network: name in this module} of the tensors that this module has.

        A network of features calls its parts stages_0 or model.stages.0 where the whole one has stages.0. Raises
        InputError for a tensor that is missing in a part that this module has, as those of a deeper network are.
        """
        own, found = self.body.state_dict(), {}
        parts = {name.removeprefix("model.").partition(".")[0] for name in own}
        for name in given:
            flat = name.replace(".", "_", 1)
            for form in (name, flat, f"model.{name}"):
                if form in own:
                    found[name] = f"body.{form}"
            if name not in found and parts & {name.partition(".")[0], flat.partition(".")[0]}:
                raise InputError(f"expected weights of {self.backbone}: {name:.200} has no place in it")
        return found


def our_names(given: Iterable[str], network: nn.Module) -> dict[str, str]:
    """{name of a tensor in a weight file: its name in `network`}, without what the network lacks of timm's file.

    All keep their names unless the `features` of the network are timm's, and the file, too. Raises InputError if timm's
    file is of another network.
    """
    features = getattr(network, "features", None)
    if not isinstance(features, TimmBackbone) or any(name.startswith("features.body.") for name in given):
        return {name: name for name in given}
    return {name: f"features.{ours}" for name, ours in features.names(given).items()}
