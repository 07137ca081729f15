"""Fetches pretrained weights and checks their SHA-256: python -m weights.fetch resnet101

  vgg16      VGG-16, ImageNet, torchvision: the trunk of the classifier, and of DeepLab-v2 in the paper's Table 1
  resnet101  ResNet-101, ImageNet, torchvision's IMAGENET1K_V1: the trunk of DeepLab-v2 in Table 2

Of torchvision's two sets for ResNet-101 the first is fetched: it comes from the plain ImageNet training that the paper
(section 4.1) and those it compares itself with started from. V2 is the product of a longer recipe with mixup, label
smoothing and weight averaging; scores from it could not be set beside the paper's.
A file that is there already and has the right hash is left alone. Nothing is left behind by a download that fails.
"""

import argparse
import hashlib
import http.client
import sys
from pathlib import Path
from typing import NamedTuple

from common.cli import HelpFormatter, exit_on_input_error
from common.files import InputError


class Source(NamedTuple):
    url: str  # https only
    sha256: str  # the file's hash or the first digits of it


SOURCES = {
    "vgg16": Source("https://download.pytorch.org/models/vgg16-397923af.pth", "397923af"),
    "resnet101": Source("https://download.pytorch.org/models/resnet101-63fe2227.pth", "63fe2227"),
}


def fetch(name, out, force=False):
    """Brings the weights `name` to the file `out`. Returns what was done, in a few words.

    Raises InputError if the download fails, if what came has another hash, or if `out` is another file and `force` is
    not given. Whatever is raised, `out` is as it was before.
    """
    source = SOURCES[name]
    if out.exists() and not force:
        found = sha256(out)
        if found.startswith(source.sha256):
            return f"{out} is there already, SHA-256 {found[:8]} as expected"
        wrong = f"expected SHA-256 {source.sha256}…, found {found[:8]}…"
        raise InputError(f"{out}: {wrong}; delete it, or --force to fetch it again")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder to write {out.name} to")
    download(source, out)
    return f"{source.url} -> {out}, SHA-256 {source.sha256}… as expected"


def download(source, path):
    """Raises InputError if the file cannot be had or has another hash; `path` is then as it was.

    torch downloads beside `path`, checks the hash, and only then gives the file its name.
    """
    from torch import hub  # takes seconds to import; --help should not

    try:
        hub.download_url_to_file(source.url, str(path), hash_prefix=source.sha256, progress=sys.stderr.isatty())
    except (OSError, http.client.HTTPException) as error:
        advice = f"a copy from elsewhere can be put at {path}"
        raise InputError(f"{source.url}: cannot be fetched ({error}); {advice}") from None
    except RuntimeError as error:  # how torch reports a hash that differs, as after a broken download
        raise InputError(f"{source.url}: not the expected file ({error}); try again") from None


def sha256(path):
    """The file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return digest.hexdigest()


def main():
    parser = argparse.ArgumentParser("python -m weights.fetch", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("name", choices=sorted(SOURCES), help="which weights")
    parser.add_argument("--out", type=Path, help="file to write; weights/<name>.pth if not given")
    parser.add_argument("--force", action="store_true", help="fetch again, replacing the file that is there")
    args = parser.parse_args()
    with exit_on_input_error("weights.fetch"):
        done = fetch(args.name, args.out or Path("weights") / f"{args.name}.pth", args.force)
        print(f"weights.fetch: {done}")


if __name__ == "__main__":
    main()
