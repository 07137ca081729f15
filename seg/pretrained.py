"""Loading of pretrained weights, torchvision's, published and ours, into the segmentation networks.

There are two conventions: torchvision's, and that of Caffe, from which the published DeepLab checkpoints come. A
network of one loses accuracy, without an error, with weights of the other. This module recognises them;
common.files.preprocess and common.nets.resnet describe how they differ.
"""

import re
from pathlib import Path
from typing import Any

import torch

from common.nets.resnet import from_torchvision_resnet
from common.nets.timm_backbone import our_names
from common.training import checkpoint
from seg.deeplab import DeepLab, DeepLabTimm, DeepLabVGG16, MultiScale
from stages.files import InputError

# The classifiers of ImageNet (torchvision) and COCO (the published DeepLab-v1's `fc`), which DeepLab-v2 does not have.
HEAD = re.compile(r"fc|classifier\.6\.")


def from_torchvision_vgg16(state: dict[str, torch.Tensor], fc_channels: int, branches: int) -> dict[str, torch.Tensor]:
    """Rename the tensors of torchvision's VGG16 (or of its `features` alone); each branch gets the decimated fc6, fc7.

    fc6 and fc7 are left out if the file has none or fewer than `fc_channels` units, or if `fc_channels` is 0.
    """
    converted = {name: tensor for name, tensor in state.items() if not name.startswith("classifier.")}
    if fc_channels and "classifier.0.weight" in state and len(state.get("classifier.3.weight", ())) >= fc_channels:
        for name, tensor in decimate_vgg16(state, fc_channels).items():
            converted.update({f"aspp.c{i}.{name}": tensor for i in range(branches)})
    return converted


def decimate_vgg16(state: dict[str, torch.Tensor], fc_channels: int) -> dict[str, torch.Tensor]:
    """Decimate VGG16's fully connected layers to convolutions: fc6 (fc_channels, K, 3, 3), fc7 (fc_channels, …, 1, 1).

    "Simple decimation" (DeepLab, ICLR 2015, section 3.2): of the 4096 units every (4096 / fc_channels)-th is kept, of
    fc6's 7x7 window rows and columns 0, 3 and 6. The paper does not say which; these are the indices of SSD, which uses
    the same layers (github.com/weiliu89/caffe, issues 258 and 365; sgrvinod/a-PyTorch-Tutorial-to-Object-Detection).
    """
    fc6, fc7 = state["classifier.0.weight"], state["classifier.3.weight"]  # (4096, K * 7 * 7), (4096, 4096)
    units = len(fc7)
    chosen = torch.arange(fc_channels) * units // fc_channels
    return {
        "fc6.weight": fc6.reshape(units, -1, 7, 7)[:, :, ::3, ::3][chosen],
        "fc6.bias": state["classifier.0.bias"][chosen],
        "fc7.weight": fc7[chosen][:, chosen, None, None],
        "fc7.bias": state["classifier.3.bias"][chosen],
    }


def convention_of(content: dict[str, Any]) -> str | None:
    """Convention of a loaded file's weights, "torchvision" or "caffe"; None if they belong to no known network.

    Our own files have it in their `arch` (by default torchvision). Without `arch`, tensors with the published names are
    Caffe's, those with torchvision's names torchvision's.
    """
    state, arch = checkpoint.state_dict(content), content.get("arch")
    published = "layer1.conv1.conv.weight" in state
    if not (published or "layer1.0.conv3.weight" in state or "features.0.weight" in state):
        return None
    if isinstance(arch, dict):
        return arch.get("convention", "torchvision")
    return "caffe" if published else "torchvision"


def arch_of(content: dict[str, Any]) -> dict[str, Any] | None:
    """Description of the DeepLab in a loaded file, for seg.deeplab.build; None if the file holds no known DeepLab.

    Our own files have it as `arch`. A file with the published names is a resnet101 with the published rates; depths,
    width and number of classes follow from its names and shapes.
    """
    arch, state = content.get("arch"), checkpoint.state_dict(content)
    if isinstance(arch, dict) and "backbone" in arch and "network" not in arch:  # a classifier and IRN have both
        return arch
    if "layer1.conv1.conv.weight" not in state or "aspp.c0.weight" not in state:
        return None
    blocks = re.findall(r"^layer([2-5])\.block\d+\.reduce\.conv\.weight$", "\n".join(state), re.MULTILINE)
    return {
        "backbone": "resnet101",
        "classes": len(state["aspp.c0.weight"]) - 1,
        "convention": convention_of(content),
        "blocks": [blocks.count(stage) for stage in "2345"],
        "width": len(state["layer1.conv1.conv.weight"]),
    }


def load_init(model: DeepLab | MultiScale, path: Path) -> tuple[list[str], list[str]]:
    """Initialise a DeepLab (or MultiScale of one) from torchvision's ResNet or VGG16, timm's, a published one, or ours.

    Returns the missing keys (without `base.`), the network's tensors that the file does not give, all of them in its
    `head_modules`: layers for another number of classes, and those that weights of ImageNet or COCO lack; and the
    unused tensors of the file, those of a classifier of ImageNet or COCO. Raises InputError if the file is of another
    convention or architecture: a tensor of the backbone is missing or has another shape, or another is unexpected.
    """
    network = getattr(model, "base", model)
    content, wanted = checkpoint.load(path), network.state_dict()
    state = checkpoint.state_dict(content)
    with checkpoint.prefix_errors(path):
        if not isinstance(network, DeepLabTimm):
            _check_convention(content, network.arch.convention)
        used = our_names(state, network)
        converted = _converted(state, used, network)
    given = _matching(converted, wanted, network.head_names(), path)
    missing_keys = [name for name in wanted if name not in given and not name.endswith("num_batches_tracked")]
    for name in missing_keys:
        if not name.startswith(network.head_names()):
            raise InputError(f"{path}: expected weights of another architecture: {name} is missing")
    network.load_state_dict(given, strict=False)
    return missing_keys, [name for name in state if name not in used or HEAD.match(name)]


def _check_convention(content, expected):
    """Raise InputError if a loaded file has another convention, or is of no known network."""
    convention = convention_of(content)
    if convention is None:
        raise InputError("expected weights of torchvision's ResNet or VGG16, a published DeepLab or ours")
    if convention != expected:
        raise InputError(f"expected weights of the {expected} convention, found {convention}")


def _converted(state, used, network):
    """A file's tensors under the names of `network`, without a classifier of ImageNet or COCO; `used`: of our_names."""
    if isinstance(network, DeepLabTimm):
        return {ours: state[name] for name, ours in used.items()}
    if "layer1.0.conv3.weight" in state:
        return from_torchvision_resnet(state)
    if isinstance(network, DeepLabVGG16):
        return from_torchvision_vgg16(state, network.arch.fc_channels, len(network.arch.rates))
    return {name: tensor for name, tensor in state.items() if not HEAD.match(name)}


def _matching(state, wanted, heads, path):
    """Tensors of `state` that can be loaded: all but the layers of `heads` of another shape. Raises InputError."""
    unfit = set()
    for name, tensor in state.items():
        if name not in wanted:
            raise InputError(f"{path}: expected weights of another architecture: {name} has no place in this network")
        if tensor.shape != wanted[name].shape:
            if not name.startswith(heads):
                shapes = f"{tuple(wanted[name].shape)}, found {tuple(tensor.shape)}"
                raise InputError(f"{path}: expected weights of another architecture: {name} should be {shapes}")
            unfit.add(name.rpartition(".")[0])
    return {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] not in unfit}
