"""Fetches pretrained weights and checks them: python -m weights.fetch resnet101

  vgg16           VGG-16, ImageNet, torchvision: the trunk of the classifier, and of DeepLab-v2 in the paper's Table 1
  resnet101       ResNet-101, ImageNet, torchvision's IMAGENET1K_V1: the trunk of DeepLab-v2 in Table 2
  coco_resnet101  DeepLab-v1 with ResNet-101, COCO, from the authors: the other start in Table 2; --convention caffe
  nsrom_voc12     the authors' trained DeepLab-v2, VOC val mIoU 70.4 with CRF: see scripts/eval_official.sh

Of torchvision's two sets for ResNet-101 the first is fetched: it comes from the plain ImageNet training that the paper
(section 4.1) and those it compares itself with started from. V2 is the product of a longer recipe with mixup, label
smoothing and weight averaging; scores from it could not be set beside the paper's.
torchvision's SHA-256 stand in its file names. The authors publish none: the first file that is what it should be is
taken, its SHA-256 printed and kept beside it in <name>.json, and later calls compare with that; --sha256 pins it from
the start.
A file that is there already and has the right hash is left alone. Nothing is left behind by a download that fails.
"""

import argparse
import http.client
import re
from pathlib import Path
from typing import NamedTuple

from common.cli import HelpFormatter, exit_on_input_error
from common.files import InputError, atomic, read_json, write_json
from common.inputs import sha256
from data.download import receive


class Source(NamedTuple):
    url: str  # https only
    sha256: str | None  # the file's hash or the first digits of it; None where none is published
    convention: str  # of the network it holds, see weights.convert
    tensor: str  # one that tells it from the others


AUTHORS = "https://nsrom-2.oss-cn-shanghai.aliyuncs.com"
SOURCES = {
    "vgg16": Source(
        "https://download.pytorch.org/models/vgg16-397923af.pth", "397923af", "torchvision", "features.0.weight"
    ),
    "resnet101": Source(
        "https://download.pytorch.org/models/resnet101-63fe2227.pth",
        "63fe2227",
        "torchvision",
        "layer3.22.conv3.weight",
    ),
    "coco_resnet101": Source(
        f"{AUTHORS}/deeplabv1_resnet101-coco.pth", None, "caffe", "layer4.block23.increase.conv.weight"
    ),
    "nsrom_voc12": Source(f"{AUTHORS}/checkpoint_70.4.pth", None, "caffe", "aspp.c3.weight"),
}


def fetch(name, out, force=False, pinned=None):
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
    expected = pinned or source.sha256 or recorded(out)
    if out.exists() and not force:
        found, done = sha256(out), f"{out} is there already"
        if expected and not found.startswith(expected):
            wrong = f"expected SHA-256 {expected[:8]}…, found {found[:8]}…"
            raise InputError(f"{out}: {wrong}; delete it, or --force to fetch it again")
        check(out, source, out)
    else:
        with atomic(out) as partial:
            download(source.url, partial, expected, out)
            check(partial, source, source.url)
            found, done = sha256(partial), f"{source.url} -> {out}"
    if not source.sha256:
        write_json(record_path(out), {"url": source.url, "sha256": found})
    return f"{done}, SHA-256 {found} {'as expected' if expected else '(the first seen; none is published)'}"


def record_path(out):
    return out.with_suffix(".json")


def recorded(out):
    """The SHA-256 that an earlier fetch to `out` found, or None. Raises InputError if the record is damaged."""
    if not record_path(out).exists():
        return None
    record = read_json(record_path(out))
    if not (isinstance(record, dict) and re.fullmatch(r"[0-9a-f]{64}", str(record.get("sha256")))):
        raise InputError(f"{record_path(out)}: expected the record of weights.fetch, with a SHA-256")
    return record["sha256"]


def download(url, path, expected, out):
    """Raises InputError if the file cannot be had or its SHA-256 does not begin with `expected` (None: any will do).

    `out` is where the weights are to lie in the end, for the message.
    """
    try:
        receive(url, path)
    except (OSError, http.client.HTTPException) as error:
        advice = f"a copy from elsewhere can be put at {out}"
        raise InputError(f"{url}: cannot be fetched ({error}); {advice}") from None
    found = sha256(path)
    if expected and not found.startswith(expected):
        wrong = f"SHA-256 {found} instead of {expected}"
        raise InputError(f"{url}: not the expected file ({wrong}); try again, or accept it with --sha256")


def check(path, source, where):
    """Raises InputError, about `where`, unless the file loads as weights and holds the network of `source`.

    An error page saved under the name of the weights does not.
    """
    from common import checkpoint
    from weights.convert import convention_of

    try:
        content = checkpoint.load(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), str(where))) from None
    if convention_of(content) != source.convention or source.tensor not in checkpoint.state_dict(content):
        raise InputError(f"{where}: expected {source.convention} weights with a tensor {source.tensor}")


def hexadecimal(text):
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("expected 64 hexadecimal digits")
    return text.lower()


def main():
    parser = argparse.ArgumentParser("python -m weights.fetch", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("name", choices=sorted(SOURCES), help="which weights")
    parser.add_argument("--out", type=Path, help="file to write; weights/<name>.pth if not given")
    parser.add_argument("--sha256", type=hexadecimal, metavar="HEX", help="the SHA-256 that the file must have")
    parser.add_argument("--force", action="store_true", help="fetch again, replacing the file that is there")
    args = parser.parse_args()
    with exit_on_input_error("weights.fetch"):
        done = fetch(args.name, args.out or Path("weights") / f"{args.name}.pth", args.force, args.sha256)
        print(f"weights.fetch: {done}")


if __name__ == "__main__":
    main()
