"""Pack test predictions into the archive that the PASCAL VOC evaluation server takes: --out results.tgz

It holds results/VOC2012/Segmentation/comp6_test_cls/<id>.png; competition 6 is for methods trained on more than VOC's
own data, as with weights from ImageNet or COCO. The server refuses an archive in which an image is missing, has
another size, or has values above 20 (also 255), and does not always name it, so all this is checked first.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from common.files.archive import write_tar_gz
from common.files.dataset import DataSet, Item
from common.files.images import FORMATS, IGNORE_INDEX, VOC_PALETTE
from stages.command import command_name, run_command, stage_parser
from stages.files import InputError, atomic, cite
from stages.progress import progress_bar

FOLDER = "results/VOC2012/Segmentation/comp6_test_cls"
CLASSES = 20


def checked_predictions(dataset: DataSet, items: Iterable[Item], folder: Path) -> list[Path]:
    """Check the predictions of all `items`, and return their paths in the order of the ids.

    Raises InputError naming the first files that are missing, or the first that the server would refuse.
    """
    paths = {item.id: folder / f"{item.id}.png" for item in sorted(items)}
    if missing := [path.name for path in paths.values() if not path.exists()]:
        raise InputError(f"{folder}: expected {len(paths)} predictions, {len(missing)} are missing: {cite(missing)}")
    with progress_bar("check", len(paths)) as bar:
        for id, path in paths.items():
            check(dataset, id, path)
            bar.update()
    return list(paths.values())


def check(dataset: DataSet, id: str, path: Path) -> None:
    """Check a prediction: an indexed PNG of the image's size, without 255, with the VOC palette. Raises InputError."""
    label = dataset.checked_label(path, id)
    if (label == IGNORE_INDEX).any():
        raise InputError(f"{path}: expected values 0 to {len(dataset.classes)}, found {IGNORE_INDEX}: no prediction")
    with Image.open(path, formats=FORMATS) as image:
        palette = np.array(image.getpalette()).reshape(-1, 3)
    used = np.unique(label)
    if not np.array_equal(palette[used], np.array(VOC_PALETTE).reshape(-1, 3)[used]):
        raise InputError(f"{path}: expected the VOC palette")


def run(args: Namespace) -> str:
    """Check the predictions and write the archive; returns a summary. Raises InputError, with --out unchanged."""
    if not args.out.name.endswith((".tgz", ".tar.gz")):
        raise InputError(f"--out {args.out}: expected a name that ends in .tgz, which the server asks for")
    if args.out.exists() and not args.force:
        raise InputError(f"{args.out}: exists already; --force replaces it")
    dataset = DataSet(args.data)
    if len(dataset.classes) != CLASSES:
        raise InputError(f"{args.data / 'classes.txt'}: expected VOC's {CLASSES} classes, found {len(dataset.classes)}")
    predictions = checked_predictions(dataset, dataset.split(args.split), args.pred)
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        with atomic(args.out) as partial:
            write_tar_gz(partial, {f"{FOLDER}/{path.name}": path for path in predictions})
    except OSError as error:
        raise InputError(f"{args.out}: cannot be written ({error.strerror})") from None
    return f"{len(predictions)} predictions -> {args.out}, {args.out.stat().st_size / 1e6:.1f} MB"


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__)
    parser.add_argument("--pred", type=Path, required=True, help="folder of predictions <id>.png, from seg.predict")
    return parser


if __name__ == "__main__":  # it writes one file, which has no record, so it is no stage
    run_command(lambda args: print(f"{command_name()}: {run(args)}"), parser())
