"""Fetches pretrained weights and checks them: python -m weights.fetch vgg16 resnet101

  vgg16           VGG-16, ImageNet, torchvision: the trunk of the classifier, and of DeepLab-v2 in the paper's Table 1
  resnet50        ResNet-50, ImageNet, torchvision's IMAGENET1K_V1: the trunk of IRN, frozen (CVPR 2019)
  resnet101       ResNet-101, ImageNet, torchvision's IMAGENET1K_V1: the trunk of DeepLab-v2 in Table 2
  coco_resnet101  DeepLab-v1 with ResNet-101, COCO, from the authors: the other start in Table 2; --convention caffe
  nsrom_voc12     the authors' trained DeepLab-v2, VOC val mIoU 70.4 with CRF: see scripts/paper/eval_official.sh

Of torchvision's two sets for each ResNet the first is fetched: it comes from the plain ImageNet training that the paper
(section 4.1) and those it compares itself with started from. V2 is the product of a longer recipe with mixup, label
smoothing and weight averaging; scores from it could not be set beside the paper's.
torchvision's SHA-256 stand in its file names. The authors publish none: the first file that is what it should be is
taken, its SHA-256 printed and kept beside it in <name>.pth.sha256, and later calls compare with that; --sha256 pins it
from the start.
A file that is there already and has the right hash is left alone. A download that was interrupted goes on.
Of several names, the addresses of those that are not there are all asked first, and nothing is fetched unless all
answer.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

from data.addresses import Wanted, require
from data.download import fetch_file, recorded, sha256_digits
from stages.command import HelpFormatter, exit_on_input_error
from stages.files import InputError


class Source(NamedTuple):
    url: str  # https only
    sha256: str | None  # the file's hash or the first digits of it; None where none is published
    convention: str  # of the network it holds, see seg.pretrained
    tensor: str  # one that tells it from the others
    instead: str = ""  # the ways round if it cannot be had, one line


AUTHORS = "https://nsrom-2.oss-cn-shanghai.aliyuncs.com"
SOURCES = {
    "vgg16": Source(
        "https://download.pytorch.org/models/vgg16-397923af.pth", "397923af", "torchvision", "features.0.weight"
    ),
    "resnet50": Source(  # ResNet-101 has its tensors, too, but another hash
        "https://download.pytorch.org/models/resnet50-0676ba61.pth", "0676ba61", "torchvision", "layer3.5.conv3.weight"
    ),
    "resnet101": Source(
        "https://download.pytorch.org/models/resnet101-63fe2227.pth",
        "63fe2227",
        "torchvision",
        "layer3.22.conv3.weight",
    ),
    "coco_resnet101": Source(
        f"{AUTHORS}/deeplabv1_resnet101-coco.pth",
        None,
        "caffe",
        "layer4.block23.increase.conv.weight",
        "./run_all.sh voc12 imagenet starts from ImageNet's weights (docs/voc12.md)",
    ),
    "nsrom_voc12": Source(f"{AUTHORS}/checkpoint_70.4.pth", None, "caffe", "aspp.c3.weight"),
}


def fetch(name: str, out: Path, force: bool = False, pinned: str | None = None) -> str:
    """Brings the weights `name` to the file `out`. Returns what was done, in a few words, with the file's SHA-256.

    `pinned` is the SHA-256 that the file must have; without, the published one or that of the first fetch counts.
    Raises InputError if the download fails, if what came has another hash or is no weight file of that network, or if
    `out` is another file and `force` is not given. Whatever is raised, `out` is as it was before.
    """
    source = SOURCES[name]
    if out.suffix != ".pth":
        raise InputError(f"{out}: expected a name that ends in .pth")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder to write {out.name} to")
    if out.is_dir():
        raise InputError(f"{out}: expected a file to write, found a folder")
    known = "as expected" if pinned or source.sha256 or recorded(out) else "(the first seen; none is published)"
    done = f"{out} is there already" if out.exists() and not force else f"{source.url} -> {out}"
    try:
        found = fetch_file(
            source.url,
            out,
            sha256=source.sha256,
            pinned=pinned,
            check=lambda file, where: check(file, source, where),
            force=force,
        )
    except InputError as error:
        if out.exists() or not source.instead:
            raise
        raise InputError(f"{error}, or: {source.instead}") from None
    return f"{done}, SHA-256 {found} {known}"


def check(path: Path, source: Source, where: str) -> None:
    """Raises InputError, about `where`, unless the file loads as weights and holds the network of `source`.

    An error page saved under the name of the weights does not.
    """
    from common.training import checkpoint
    from seg.pretrained import convention_of

    try:
        content = checkpoint.load(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), where)) from None
    if convention_of(content) != source.convention or source.tensor not in checkpoint.state_dict(content):
        raise InputError(f"{where}: expected {source.convention} weights with a tensor {source.tensor}")


def fetch_all(names: list[str], folder: Path, force: bool = False) -> None:
    """Brings the weights `names` to <folder>/<name>.pth and prints what was done with each.

    Raises InputError as `fetch` does, and before anything is fetched if not all the addresses that are needed answer.
    """
    paths = {name: folder / f"{name}.pth" for name in names}
    missing = [name for name, path in paths.items() if force or not path.exists()]
    require(Wanted(paths[name], SOURCES[name].url, SOURCES[name].instead) for name in missing)
    for name, path in paths.items():
        print(f"weights.fetch: {fetch(name, path, force)}", flush=True)


def main():
    parser = argparse.ArgumentParser("python -m weights.fetch", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("name", nargs="+", choices=sorted(SOURCES), help="which weights")
    parser.add_argument("--out", type=Path, help="file to write, of one name; weights/<name>.pth if not given")
    parser.add_argument("--sha256", type=sha256_digits, metavar="HEX", help="the SHA-256 that the file must have")
    parser.add_argument("--force", action="store_true", help="fetch again, replacing the file that is there")
    args = parser.parse_args()
    with exit_on_input_error("weights.fetch"):
        if len(args.name) > 1:
            if args.out or args.sha256:
                raise InputError(f"{'--out' if args.out else '--sha256'}: expected one name beside it, not several")
            fetch_all(args.name, Path("weights"), args.force)
        else:
            (name,) = args.name
            done = fetch(name, args.out or Path("weights") / f"{name}.pth", args.force, args.sha256)
            print(f"weights.fetch: {done}")


if __name__ == "__main__":
    main()
