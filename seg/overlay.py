"""A photograph with the colours of its label on it and a legend below, as seg.predict shows photographs."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common.files.images import VOC_COLOURS
from common.files.photographs import shrunk
from stages.files import atomic

LONGEST = 2048  # pixels of an overlay's longer side, at most
OPACITY = 0.5
NAME_LENGTH = 40  # of a class, at most, so that the legend stays narrow


def overlay(rgb: np.ndarray, label: np.ndarray, names: Sequence[str]) -> Image.Image:
    """The photograph with the label's colours on it, and below it the names of the classes shown; RGB.

    rgb: uint8 (H, W, 3); label: uint8 (H, W), 0 background, which has no colour, to C; names: of the C classes. Larger
    photographs are shrunk to LONGEST.
    """
    shown = [int(value) for value in np.unique(label) if value]
    rgb = shrunk(rgb, LONGEST)
    label = cv2.resize(label, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    mixed = cv2.addWeighted(rgb, 1 - OPACITY, VOC_COLOURS[label], OPACITY, 0)
    mixed = np.where((label > 0)[..., None], mixed, rgb)
    return _with_legend(Image.fromarray(mixed), [(VOC_COLOURS[value], names[value - 1]) for value in shown])


def write_overlay(path: Path, rgb: np.ndarray, label: np.ndarray, names: Sequence[str]) -> None:
    """Write an `overlay` as JPEG."""
    with atomic(path) as partial:
        overlay(rgb, label, names).save(partial, format="JPEG", quality=90)


def _with_legend(picture, entries):
    """The picture with a white strip below it: a coloured square and a name for each entry, in as many lines as needed.

    Without entries the strip says that all is background.
    """
    size = int(np.clip(max(picture.size) // 40, 11, 48))  # of the letters, in pixels
    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
    entries = entries or [(np.full(3, 255), "background only")]
    entries = [
        (colour, name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…") for colour, name in entries
    ]
    widths = [round(font.getlength(name)) + 3 * size for _, name in entries]  # with its square and gaps
    width, line, x, y, places = max(picture.width, *widths), round(1.6 * size), 0, 0, []
    for entry_width in widths:
        if x and x + entry_width > width:
            x, y = 0, y + line
        places.append((x, y))
        x += entry_width
    figure = Image.new("RGB", (width, picture.height + y + line), "white")
    figure.paste(picture)
    pen = ImageDraw.Draw(figure)
    for (x, y), (colour, name) in zip(places, entries):
        top = picture.height + y + (line - size) // 2
        pen.rectangle((x + size // 2, top, x + size // 2 + size, top + size), tuple(map(int, colour)))
        pen.text((x + 2 * size, picture.height + y + line // 2), name, "black", font, anchor="lm")
    return figure
