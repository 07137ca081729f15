"""Draw predictions of single images by several networks, like the paper's Figure 4, and print which were chosen.

One row per image: image, ground truth, and the prediction of each --column with its mIoU on this image. Of the split's
simple images (one class), it shows the count/2 whose mIoU gains most from the first to the last --column and the
count/2 that lose most, then as many of the complex ones (two or more classes), or all if there are fewer. Each kind is
sorted from the largest gain to the largest loss; ties keep the list's order.
"""

import argparse

from common.files.dataset import DataSet
from evaluate.labels import kind_of
from report.tables.gallery import (
    Scored,
    check_figure,
    choose,
    coloured,
    draw,
    ground_truth,
    photograph,
    picture_parser,
    score,
    write_figure,
)
from stages.command import run_command
from stages.files import InputError


def parser() -> argparse.ArgumentParser:
    parser = picture_parser(__doc__, count=4, counted="number of simple images, and of complex ones; even")
    parser.add_argument(
        "--column",
        nargs=2,
        action="append",
        required=True,
        metavar=("TITLE", "FOLDER"),
        help="a column: title and folder of predictions in <run>; give two or more",
    )
    return parser


def rule(scored: dict[str, list[Scored]], split: str, count: int) -> str:
    """The choice of `count` images of each kind in words. scored: {kind: the split's images of it with scores}."""
    there = " and ".join(f"{len(images)} {kind}" for kind, images in scored.items())
    ends = (
        f"the {count // 2} whose mIoU gains most from the first to the last prediction and the {count // 2} that lose"
    )
    return f"Of {there} images of {split}: of each kind {ends} most. Numbers: mIoU of the image, %."


def main(args: argparse.Namespace) -> None:
    """Choose the images, write the figure, print the choice."""
    folders = {title: args.run / folder for title, folder in args.column}
    if len(folders) < max(2, len(args.column)) or folders.keys() & {"image", "ground truth"}:
        raise InputError("--column: expected two or more, of different titles")
    check_figure(args.out, args.data, *folders.values())
    dataset = DataSet(args.data)
    pictures = {"image": photograph(dataset), "ground truth": ground_truth(dataset)}
    pictures |= {title: coloured(dataset, folder) for title, folder in folders.items()}
    items = dataset.split(args.split)
    of = {kind: [item for item in items if kind_of(item) == kind] for kind in ("simple", "complex")}
    scored = {kind: score(dataset, of[kind], list(folders.values())) for kind in of}
    chosen = [(kind, row) for kind in scored for row in choose(scored[kind], args.count)]
    if not chosen:
        path = dataset.root / "lists" / f"{args.split}.txt"
        raise InputError(f"{path}: expected at least one image with a class and ground truth, found none")
    numbers = {(id, title): f"{value:.1f}" for _, (id, values) in chosen for title, value in zip(folders, values)}
    note = rule(scored, args.split, args.count)
    rows = [(f"{id}\n{kind}", id) for kind, (id, _) in chosen]
    write_figure(args.out, draw(rows, pictures, numbers, dataset.classes, note))
    for kind, (id, _) in chosen:
        print(f"{id} ({kind}):", ", ".join(f"{title} {numbers[id, title]}" for title in folders))
    print(note)


if __name__ == "__main__":
    run_command(main, parser())
