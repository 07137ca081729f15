"""Pretrained weights under the names of our segmentation networks, and into them.

There are two conventions: torchvision's, and that of Caffe, from which the published DeepLab checkpoints come. A
network of the one loses points, silently, with weights of the other. common.preprocess and seg.resnet say how they
differ; here they are told apart.
"""

import re

import torch

from common import checkpoint
from common.files import InputError
from seg.deeplab import RATES, DeepLabVGG16

RESNET_UNITS = {"1": "reduce", "2": "conv3x3", "3": "increase"}
# A classifier of ImageNet (torchvision) or COCO (the published DeepLab-v1's `fc`) that DeepLab-v2 has no place for.
HEAD = re.compile(r"fc|classifier\.6\.")


def from_torchvision_resnet(state):
    """torchvision's ResNet of bottlenecks -> a dictionary of the same tensors under our names, without `fc`."""
    return {_resnet_name(name): tensor for name, tensor in state.items() if not name.startswith("fc.")}


def _resnet_name(name):
    """layer1.0.conv2.weight -> layer2.block1.conv3x3.conv.weight, conv1.weight -> layer1.conv1.conv.weight, …"""
    if stem := re.fullmatch(r"(conv|bn)1\.(\w+)", name):
        return f"layer1.conv1.{stem[1]}.{stem[2]}"
    if unit := re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn)([123])\.(\w+)", name):
        return f"layer{int(unit[1]) + 1}.block{int(unit[2]) + 1}.{RESNET_UNITS[unit[4]]}.{unit[3]}.{unit[5]}"
    if shortcut := re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.([01])\.(\w+)", name):
        kind = "conv" if shortcut[3] == "0" else "bn"
        return f"layer{int(shortcut[1]) + 1}.block{int(shortcut[2]) + 1}.shortcut.{kind}.{shortcut[4]}"
    return name


def from_torchvision_vgg16(state, fc_channels, branches):
    """torchvision's VGG16 (or its `features` alone) -> our names; fc6 and fc7 decimated, the same in each branch.

    fc6 and fc7 are left out where there are none, or fewer than `fc_channels` units, or `fc_channels` is 0.
    """
    converted = {name: tensor for name, tensor in state.items() if not name.startswith("classifier.")}
    if fc_channels and "classifier.0.weight" in state and len(state.get("classifier.3.weight", ())) >= fc_channels:
        for name, tensor in decimate_vgg16(state, fc_channels).items():
            converted.update({f"aspp.c{i}.{name}": tensor for i in range(branches)})
    return converted


def decimate_vgg16(state, fc_channels):
    """VGG16's fully connected layers as smaller convolutions: fc6 (fc_channels, K, 3, 3), fc7 (fc_channels, …, 1, 1).

    "Simple decimation" (DeepLab, ICLR 2015, section 3.2): of the 4096 units every (4096 / fc_channels)-th is kept, of
    fc6's 7x7 window rows and columns 0, 3 and 6. The paper does not say which; these are the indices of SSD, which took
    the layers over (github.com/weiliu89/caffe, issues 258 and 365; sgrvinod/a-PyTorch-Tutorial-to-Object-Detection).
    """
    fc6, fc7 = state["classifier.0.weight"], state["classifier.3.weight"]  # (4096, K * 7 * 7), (4096, 4096)
    units = len(fc7)
    kept = torch.arange(fc_channels) * units // fc_channels
    return {
        "fc6.weight": fc6.reshape(units, -1, 7, 7)[:, :, ::3, ::3][kept],
        "fc6.bias": state["classifier.0.bias"][kept],
        "fc7.weight": fc7[kept][:, kept, None, None],
        "fc7.bias": state["classifier.3.bias"][kept],
    }


def convention_of(content):
    """ "torchvision" or "caffe": how the weights of a loaded file were trained; None if they are of no network we know.

    Our own files say so in their `arch` (or mean the networks' default, torchvision). Without one, the published names
    stand for Caffe, torchvision's for torchvision.
    """
    state, arch = checkpoint.state_dict(content), content.get("arch")
    published = "layer1.conv1.conv.weight" in state
    if not (published or "layer1.0.conv3.weight" in state or "features.0.weight" in state):
        return None
    if isinstance(arch, dict):
        return arch.get("convention", "torchvision")
    return "caffe" if published else "torchvision"


def arch_of(content):
    """What seg.deeplab.build needs for the DeepLab in a loaded file; None if the file holds no DeepLab that we know.

    Our own files say so in their `arch`. For a file in the published names, the names and the tensors' shapes tell: a
    resnet101 with the published rates, of any depths, width and number of classes.
    """
    arch, state = content.get("arch"), checkpoint.state_dict(content)
    if isinstance(arch, dict) and "backbone" in arch:
        return arch
    if "layer1.conv1.conv.weight" not in state or "aspp.c0.weight" not in state:
        return None
    blocks = re.findall(r"^layer([2-5])\.block\d+\.reduce\.conv\.weight$", "\n".join(state), re.MULTILINE)
    return {
        "backbone": "resnet101",
        "classes": len(state["aspp.c0.weight"]) - 1,
        "convention": convention_of(content),
        "depths": [blocks.count(stage) for stage in "2345"],
        "width": len(state["layer1.conv1.conv.weight"]),
        "rates": list(RATES),
    }


def unused_tensors(path):
    """Names of a file's tensors that load_init leaves out whatever the network: a classifier of ImageNet or COCO.

    Raises InputError if the file is not a weight file.
    """
    return [name for name in checkpoint.state_dict(checkpoint.load(path)) if HEAD.match(name)]


def load_init(model, path):
    """Starts a DeepLab (or MultiScale of one) from a file: torchvision's ResNet or VGG16, a published DeepLab, or ours.

    Returns the names (without `base.`) of the tensors that the file could not give, all of them of the ASPP: the layers
    of another number of classes, and what ImageNet's and COCO's weights do not have. Raises InputError if the file is
    of another convention or architecture: a tensor of the trunk is missing, has another shape, or one has no place in
    the network and is none of unused_tensors.
    """
    network = getattr(model, "base", model)
    content = checkpoint.load(path)
    convention = convention_of(content)
    if convention is None:
        raise InputError(f"{path}: expected weights of torchvision's ResNet or VGG16, a published DeepLab or ours")
    if convention != network.convention:
        raise InputError(f"{path}: expected weights of the {network.convention} convention, found {convention}")
    wanted = network.state_dict()
    given = _matching(_converted(checkpoint.state_dict(content), network), wanted, path)
    missing = [name for name in wanted if name not in given and not name.endswith("num_batches_tracked")]
    for name in missing:
        if not name.startswith("aspp."):
            raise InputError(f"{path}: expected weights of another architecture: {name} is missing")
    network.load_state_dict(given, strict=False)
    return missing


def _converted(state, network):
    """A file's tensors under the names of `network`, without a classifier that it has no place for."""
    if "layer1.0.conv3.weight" in state:
        return from_torchvision_resnet(state)
    if isinstance(network, DeepLabVGG16):
        branches = list(network.aspp.children())
        fc6 = getattr(branches[0], "fc6", None)
        return from_torchvision_vgg16(state, fc6.out_channels if fc6 else 0, len(branches))
    return {name: tensor for name, tensor in state.items() if not HEAD.match(name)}


def _matching(state, wanted, path):
    """What of `state` can be loaded: all of it, but for layers of the ASPP that have another shape."""
    unfit = set()
    for name, tensor in state.items():
        if name not in wanted:
            raise InputError(f"{path}: expected weights of another architecture: {name} has no place in this network")
        if tensor.shape != wanted[name].shape:
            if not name.startswith("aspp."):
                shapes = f"{tuple(wanted[name].shape)}, found {tuple(tensor.shape)}"
                raise InputError(f"{path}: expected weights of another architecture: {name} should be {shapes}")
            unfit.add(name.rpartition(".")[0])
    return {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] not in unfit}
