"""Draw what IRN finds in single images: boundaries, displacements and instances; print which images were chosen.

One row an image: image, class boundaries (1 is white), displacements (hue: direction, saturation: length), instances
whose score is above 0, each with a number, and the true instances if the data set has InstanceMasks. Of the split's
complex images (two or more classes, or as many such instances) these are the --count with the most instances, the most
first; ties stand in the list's order. The network runs on those images alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common.dataset import DataSet, Item
from common.images import IGNORE_INDEX
from common.instances import read_instances
from report.tables.gallery import FONT_SIZE, GAP, Columns, draw, fitted, picture_parser
from stages.command import command_name, exit_on_input_error
from stages.files import InputError, atomic, check_output

WHEEL = 120  # pixels, the legend's colour wheel
MOST_LINES = 6  # instances that the text beside a row names


class Chosen(NamedTuple):
    """An image of the figure: its instances of a score above 0, uint8 (H, W), and their entries of the JSON."""

    item: Item
    numbers: np.ndarray
    entries: list[dict]


class Fields(NamedTuple):
    """What the network finds in an image, at the image's size."""

    boundary: np.ndarray  # float32 (H, W), 0 to 1
    displacement: np.ndarray  # float32 (2, H, W), rows and columns, in pixels at stride 4


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = picture_parser(__doc__, count=6)
    parser.add_argument("--weights", type=Path, help="weights.pth of irn.train (default: <run>/irn/weights.pth)")
    parser.add_argument("--instances", type=Path, help="folder of instances (default: <run>/instances)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, …; auto takes a GPU if there is one")
    return parser


def choose(dataset: DataSet, split: str, folder: Path, count: int) -> list[Chosen]:
    """The figure's images, see above. Raises InputError if no image is complex, or the instances are unusable."""
    found = []
    for item in dataset.split(split):
        numbers, entries = read_instances(dataset, folder, item.id)
        entries = [entry for entry in entries if entry["score"] > 0]
        if len(item.classes) > 1 or len(entries) > 1:
            kept = np.isin(numbers, [entry["number"] for entry in entries])
            found.append(Chosen(item, np.where(kept, numbers, np.uint8(0)), entries))
    if not found:
        path = dataset.root / "lists" / f"{split}.txt"
        raise InputError(f"{path}: expected an image of two or more classes or instances, found none")
    return sorted(found, key=lambda each: -len(each.entries))[:count]  # stable: ties stay in the list's order


def run_network(dataset: DataSet, items: list[Item], weights: Path, device: str) -> dict[str, Fields]:
    """{id: what the network of a weight file finds}. Raises InputError if weights or device cannot be used."""
    from common import device as devices
    from irn.network import at_image_size, find, map_size

    chosen = devices.select_device(device, deterministic=False, tf32=True)
    args = argparse.Namespace(weights=weights, batch_size=8, workers=0, amp=False)
    fields = {}
    for batch in find(args, dataset, items, [False] * len(items), chosen):
        boundaries, displacements = batch.boundary.cpu().numpy(), batch.displacement.cpu().numpy()
        for item, size, boundary, displacement in zip(batch.items, batch.sizes, boundaries, displacements, strict=True):
            height, width = map_size(size)
            maps = np.concatenate([boundary[None], displacement])[:, :height, :width]
            boundary, *displacement = at_image_size(maps, size)
            fields[item.id] = Fields(boundary, np.stack(displacement))
    return fields


def displacement_colours(displacement: np.ndarray, longest: float) -> np.ndarray:
    """Displacements float (2, H, W), rows and columns, as colours uint8 (H, W, 3).

    Hue is the direction: red to the right, then clockwise yellow-green (down), cyan (left) and violet (up). Saturation
    is the length: white is 0, and from `longest` on it is full.
    """
    from matplotlib.colors import hsv_to_rgb

    rows, columns = displacement
    hue = np.arctan2(rows, columns) / (2 * np.pi) % 1
    saturation = np.minimum(np.hypot(rows, columns) / max(longest, 1e-6), 1)
    return np.rint(255 * hsv_to_rgb(np.stack([hue, saturation, np.ones_like(hue)], -1))).astype(np.uint8)


def instance_colours(numbers: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Instances uint8 (H, W), 0 none, 255 ignore, in a colour each over the dimmed image uint8 (H, W, 3), RGB."""
    from matplotlib import colormaps

    palette = 255 * np.array(colormaps["tab10"].colors)
    colours = palette[(numbers.astype(int) - 1) % len(palette)]
    colours[numbers == IGNORE_INDEX] = 255
    shown = (numbers > 0)[..., None]
    return np.where(shown, 0.25 * image + 0.75 * colours, 0.4 * image).astype(np.uint8) & 0xFC


def numbered(picture: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """A picture uint8 (H, W, 3) in the figure's size, with each instance's number where it is thickest."""
    size = fitted(numbers.shape)  # of the figure: text must not be enlarged
    canvas = Image.fromarray(picture).resize(size, Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(canvas)
    for number in np.unique(numbers[numbers > 0]):
        inside = cv2.distanceTransform(np.pad((numbers == number).astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
        row, column = np.unravel_index(inside.argmax(), inside.shape)
        place = (column + 0.5) * size[0] / numbers.shape[1], (row + 0.5) * size[1] / numbers.shape[0]
        pen.text(place, str(number), "white", font(), anchor="mm", stroke_width=2, stroke_fill="black")
    return np.asarray(canvas)


def font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", FONT_SIZE)


def columns(dataset: DataSet, chosen: list[Chosen], fields: dict[str, Fields], longest: float) -> Columns:
    """The figure's columns; `longest`: displacement of full saturation, in pixels at stride 4."""
    numbers = {each.item.id: each.numbers for each in chosen}

    def instances(id):
        return numbered(instance_colours(numbers[id], dataset.image(id)), numbers[id])

    pictures = {
        "image": lambda id: dataset.image(id) & 0xFC,
        "boundary": lambda id: np.rint(255 * fields[id].boundary)[..., None].astype(np.uint8).repeat(3, 2),
        "displacement": lambda id: displacement_colours(fields[id].displacement, longest),
        "instances": instances,
    }
    if (dataset.root / "InstanceMasks").is_dir():
        pictures["true instances"] = lambda id: instance_colours(dataset.instances(id), dataset.image(id))
    return pictures


def text_of(classes: list[str], chosen: Chosen) -> str:
    """What stands beside a row: id, and a line for each of the first instances, number, class and score."""
    lines = [f"{each['number']} {classes[each['class']]} {each['score']:.2f}" for each in chosen.entries]
    more = ["…"] if len(lines) > MOST_LINES else []
    return "\n".join([chosen.item.id, *lines[:MOST_LINES], *more])


def with_legend(figure: Image.Image, longest: float) -> Image.Image:
    """The figure with the displacements' colour wheel below it."""
    whole = Image.new("RGB", (figure.width, figure.height + WHEEL + 2 * GAP), "white")
    whole.paste(figure, (0, 0))
    steps = (np.arange(WHEEL) + 0.5) / WHEEL * 2 - 1
    wheel = np.stack(np.meshgrid(steps, steps, indexing="ij"))  # (2, WHEEL, WHEEL)
    picture = displacement_colours(wheel, 1)
    picture[np.hypot(*wheel) > 1] = 255
    whole.paste(Image.fromarray(picture), (GAP, figure.height + GAP))
    text = (
        "displacement: where its colour lies, seen from the wheel's middle\n"
        f"at the rim {longest:.1f} pixels at stride 4, or more"
    )
    middle = figure.height + GAP + WHEEL // 2
    ImageDraw.Draw(whole).multiline_text((WHEEL + 4 * GAP, middle), text, "black", font(), anchor="lm")
    return whole


def main(args: argparse.Namespace) -> None:
    """Choose the images, run the network on them, write the figure, print the choice."""
    weights, instances = args.weights or args.run / "irn/weights.pth", args.instances or args.run / "instances"
    if not args.run.is_dir():
        raise InputError(f"{args.run}: no such folder")
    check_output(args.out, weights)
    for folder in (args.data, instances):
        if folder.resolve() in args.out.resolve().parents:
            raise InputError(f"{args.out}: expected a file outside of {folder}, which is read")
    dataset = DataSet(args.data)
    chosen = choose(dataset, args.split, instances, args.count)
    fields = run_network(dataset, [each.item for each in chosen], weights, args.device)
    lengths = np.concatenate([np.hypot(*each.displacement).ravel() for each in fields.values()])
    longest = float(np.quantile(lengths, 0.99))  # single pixels shall not make all others pale
    text = {each.item.id: text_of(dataset.classes, each) for each in chosen}
    pictures = columns(dataset, chosen, fields, longest)
    figure = draw([(text[id], id, dataset.image_size(id)) for id in text], pictures)
    with atomic(args.out) as partial_file:
        with_legend(figure, longest).save(partial_file, format="PNG", optimize=True)
    print(*(f"{each.item.id}, instances: {len(each.entries)}" for each in chosen), sep="\n")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
