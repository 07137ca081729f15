"""Draw the CAMs of two rows of scripts/study/fbr.sh in single images, and print which images were chosen.

One row an image: image, ground truth with the context in paler colours, the CAMs of each row. Of the images with 200
pixels or more of their own classes' context, these are the count/2 in which the share of it that is called object, at
the threshold 0.5, falls most from the first to the second row, and the count/2 in which it rises most or falls least.
"""

import argparse

import numpy as np
from matplotlib import colormaps

from common.files.dataset import DataSet, Item
from common.files.images import VOC_COLOURS
from common.files.maps import require_maps
from report.studies.context import own_context, strongest
from report.tables.gallery import check_figure, choose, draw, photograph, picture_parser, write_figure
from stages.command import run_command
from stages.files import InputError

LEAST, THRESHOLD = 200, 0.5


def parser() -> argparse.ArgumentParser:
    parser = picture_parser(__doc__, count=4)
    parser.add_argument("--rows", nargs="+", required=True, metavar="ROW", help="two rows or more: <run>/<ROW>/cam")
    return parser


def truth_with_context(dataset: DataSet, id: str) -> np.ndarray:
    label, context = dataset.ground_truth(id), dataset.context(id)
    pale = ((VOC_COLOURS[context].astype(int) + 2 * 255) // 3).astype(np.uint8)
    return np.where(((label == 0) & (context > 0))[..., None], pale, VOC_COLOURS[label])


def heat(dataset: DataSet, folder, item: Item) -> np.ndarray:
    image = dataset.image(item.id) / 255
    colours = colormaps["jet"](strongest(folder, item, image.shape[:2]))[..., :3]
    return (255 * (0.4 * image + 0.6 * colours)).astype(np.uint8) & 0xFC


def main(args: argparse.Namespace) -> None:
    """Choose the images, write the figure, print the choice."""
    if len(args.rows) < 2:
        raise InputError(f"--rows: expected two rows or more, found {args.rows[0]}")
    folders = {row: args.run / row / "cam" for row in args.rows}
    check_figure(args.out, args.data, *folders.values())
    dataset = DataSet(args.data)
    items = {item.id: item for item in dataset.split(args.split, labelled=True)}
    for folder in folders.values():
        require_maps(folder, [*items.values()])
    scored = []
    for id, item in items.items():
        truth = dataset.ground_truth(id)
        own = own_context(dataset, item, truth)
        if own.sum() >= LEAST:
            maps = [strongest(folder, item, truth.shape) for folder in [*folders.values()][:2]]
            scored.append((id, [100 * (map_[own] > THRESHOLD).mean() for map_ in maps]))
    if not scored:
        raise InputError(f"{dataset.root / 'context'}: expected an image with {LEAST} pixels of its classes' context")
    text = {id: f"{before:.0f} → {after:.0f} %" for id, (before, after) in choose(scored, args.count)[::-1]}
    columns = {"image": photograph(dataset), "truth, context pale": lambda id: truth_with_context(dataset, id)}
    for row, folder in folders.items():
        columns[f"CAM, {row}"] = lambda id, folder=folder: heat(dataset, folder, items[id])
    rows = [(f"{id}\n{shares}", id) for id, shares in text.items()]
    write_figure(args.out, draw(rows, columns))
    print(*(f"{id}: context called object {shares}" for id, shares in text.items()), sep="\n")


if __name__ == "__main__":
    run_command(main, parser())
