"""HED's weights, VGG16 trained on edges from ImageNet's, as torchvision's VGG16 (Xie and Tu, ICCV 2015)."""

from pathlib import Path

import torch

from common.files.preprocess import CONVENTIONS

MEAN = (122.67892, 116.66877, 104.00699)  # which HED subtracts, RGB of 0 to 255
# The root mean square of each convolution's rectified output, once those before it were divided by theirs: measured on
# 64 photographs of VOC at 256x256. Division changes the features' scale alone, because ReLU networks are homogeneous.
SCALES = (31.329, 1.732, 0.786, 0.571, 0.798, 0.903, 0.628, 0.855, 0.732, 0.492, 1.504, 0.994, 2.181)
DEPTHS = (2, 2, 3, 3, 3)  # convolutions of each stage; torchvision also counts the ReLUs, and the pool of each stage


def layer_names() -> list[tuple[str, str]]:
    """(name in Keras's file, name in torchvision's) of VGG16's convolutions."""
    names, place = [], 0
    for stage, depth in enumerate(DEPTHS, start=1):
        for number in range(depth):
            theirs = f"block{stage}/layers/conv2d" + (f"_{number}" if number else "")
            names.append((f"{theirs}/vars", f"features.{place}"))
            place += 2
        place += 1
    return names


def to_torchvision(path: Path) -> dict[str, torch.Tensor]:
    """The tensors features.<n>.weight (out, in, 3, 3) and .bias (out,), float32, of HED's weights in Keras's HDF5 file.

    HED takes BGR of 0 to 255 minus MEAN: the first layer is converted to RGB in torchvision's convention
    (common.files.preprocess). Each layer's output is then divided by its SCALES.
    """
    import h5py

    _, mean, std = CONVENTIONS["torchvision"]
    tensors, product = {}, 1.0
    with h5py.File(path) as file:
        for (theirs, name), scale in zip(layer_names(), SCALES):
            weight = torch.from_numpy(file[f"{theirs}/0"][()]).permute(3, 2, 0, 1)  # from (3, 3, in, out)
            bias = torch.from_numpy(file[f"{theirs}/1"][()])
            if not tensors:
                weight = weight.flip(1)  # to RGB
                bias = bias + (weight.sum((2, 3)) * (torch.tensor(mean) - torch.tensor(MEAN))).sum(1)
                weight = weight * torch.tensor(std)[:, None, None]
            product *= scale  # by which the layer's output shrinks
            tensors[f"{name}.weight"] = (weight / scale).contiguous()
            tensors[f"{name}.bias"] = bias / product
    return tensors
