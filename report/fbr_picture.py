"""Draw CAMs of single training images without and with FBR, and print which images were chosen.

One row an image: image, ground truth with the context, the CAMs of two rows of scripts/study/fbr.sh. Of the images with
enough context of their own classes, the count/2 in which the share of it that is called object falls most from --before
to --after, and the count/2 in which it rises most or falls least.
"""

import argparse
from pathlib import Path

import numpy as np

from common.dataset import DataSet, Item
from common.images import VOC_PALETTE
from common.maps import normalise, read_maps, require_maps
from report.context import FIXED, own_context
from report.tables.gallery import Columns, Scored, choose, draw, picture_parser
from stages.command import command_name, exit_on_input_error
from stages.files import InputError, atomic, check_output

LEAST = 200  # pixels of own context that an image needs to be chosen


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = picture_parser(__doc__, count=4)
    parser.add_argument("--before", default="ce", help="row, whose CAMs are <run>/<row>/cam")
    parser.add_argument("--after", default="all", help="row, whose CAMs are <run>/<row>/cam")
    parser.add_argument("--also", nargs="*", default=[], metavar="ROW", help="rows that are shown beside these two")
    return parser


def strongest(folder: Path, item: Item, size: tuple[int, int]) -> np.ndarray:
    """The strongest of an image's maps at each pixel, each normalised by its own range: float (H, W) = `size`, 0..1."""
    return np.maximum.reduce([np.zeros(size), *map(normalise, read_maps(folder, item, size).values())])


def score(dataset: DataSet, items: list[Item], folders: list[Path]) -> list[Scored]:
    """(id, share before, share after) of the images with enough own context, in the list's order.

    The shares, in percent, are of own-context pixels that are called object at the threshold 0.5.
    Raises InputError if there is no such image.
    """
    scored = []
    for item in items:
        truth = dataset.ground_truth(item.id)
        own = own_context(dataset, item, truth)
        if own.sum() >= LEAST:
            shares = [100 * (strongest(folder, item, truth.shape)[own] > FIXED).mean() for folder in folders]
            scored.append((item.id, *shares))
    if not scored:
        raise InputError(f"{dataset.root / 'context'}: expected an image with {LEAST} pixels of its classes' context")
    return scored


def columns(dataset: DataSet, items: list[Item], folders: dict[str, Path]) -> Columns:
    """The figure's columns; `folders`: {title: folder of maps}."""
    palette = np.array(VOC_PALETTE, np.uint8).reshape(256, 3)
    of = {item.id: item for item in items}

    def truth(id):
        label, context = dataset.ground_truth(id), dataset.context(id)
        pale = (palette[context].astype(int) + 2 * 255) // 3
        return np.where(((label == 0) & (context > 0))[..., None], pale, palette[label]).astype(np.uint8)

    def heat(folder):
        from matplotlib import colormaps

        def picture(id):
            image = dataset.image(id).astype(float) / 255
            map_ = strongest(folder, of[id], image.shape[:2])
            return (255 * (0.4 * image + 0.6 * colormaps["jet"](map_)[..., :3])).astype(np.uint8) & 0xFC

        return picture

    pictures = {"image": lambda id: dataset.image(id) & 0xFC, "truth, context pale": truth}
    return pictures | {title: heat(folder) for title, folder in folders.items()}


def main(args: argparse.Namespace) -> None:
    """Choose the images, write the figure, print the choice."""
    check_output(args.out)
    rows = [args.before, args.after, *args.also]
    folders = [args.run / row / "cam" for row in rows]
    for folder in (args.data, *folders):
        if folder.resolve() in args.out.resolve().parents:
            raise InputError(f"{args.out}: expected a file outside of {folder}, which is read")
    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    for folder in folders:
        require_maps(folder, items)
    titles = [f"CAM, {row}" for row in rows]
    chosen = choose(score(dataset, items, folders[:2]), args.count)[::-1]  # the largest fall first
    text = {id: f"{before:.0f} → {after:.0f} %" for id, before, after in chosen}
    pictures = columns(dataset, items, dict(zip(titles, folders, strict=True)))
    figure = draw([(f"{id}\n{shares}", id, dataset.image_size(id)) for id, shares in text.items()], pictures)
    with atomic(args.out) as partial:
        figure.save(partial, format="PNG", optimize=True)
    print(*(f"{id}: context called object {shares}" for id, shares in text.items()), sep="\n")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
