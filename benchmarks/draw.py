"""Draws data of VOC's format for the benchmarks: images, saliency, ground truth, maps of two sizes.

python benchmarks/draw.py FOLDER IMAGES [HEIGHT WIDTH], by default 375 and 500. FOLDER/pred holds the ground truth as
predictions.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.files.images import write_grey, write_indexed  # noqa: E402
from common.files.maps import map_path  # noqa: E402

SIZE = (375, 500)
CLASSES = 20
MAPS = {"32x32": (32, 32), "500x375": None}  # None: as large as the image


def blob(rng, size, centre, radius):
    """A smooth bump with a little noise, as saliency and attention are: uint8 `size`."""
    y, x = np.mgrid[0 : 1 : 1j * size[0], 0 : 1 : 1j * size[1]]
    bump = np.exp(-(((y - centre[0]) / radius[0]) ** 2) - ((x - centre[1]) / radius[1]) ** 2)
    noise = cv2.resize(rng.normal(0, 0.05, (12, 16)), size[::-1], interpolation=cv2.INTER_CUBIC)
    return (255 * np.clip(bump * (1 + noise) * 1.2 - 0.1, 0, 1)).astype(np.uint8)


def draw_data(root, images, size=SIZE):
    """The data set `root`/data with the lists `half` and `all`, maps cam_… and oa_cam_… of both sizes, predictions.

    There are the lists `train` and `val` too: val is every fourth image, train all others.
    """
    folders = [f"{kind}_{name}" for kind in ("cam", "oa_cam") for name in MAPS]
    for folder in ("data/JPEGImages", "data/saliency", "data/SegmentationClass", "data/lists", "pred", *folders):
        (root / folder).mkdir(parents=True)
    (root / "data/classes.txt").write_text("".join(f"class{number}\n" for number in range(CLASSES)))
    lines = []
    for number in range(images):
        rng = np.random.default_rng(number)
        id, classes = f"{number:06d}", sorted(rng.choice(CLASSES, rng.integers(1, 4), replace=False).tolist())
        lines.append(" ".join([id, *map(str, classes)]) + "\n")
        draw_image(root, rng, id, classes, size)
    train = [line for number, line in enumerate(lines) if number % 4 != 3]
    for name, own in (("half", lines[: images // 2]), ("all", lines), ("train", train), ("val", lines[3::4])):
        (root / f"data/lists/{name}.txt").write_text("".join(own))


def draw_image(root, rng, id, classes, size):
    saliency, label = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for cls in classes:
        centre, radius = rng.uniform(0.25, 0.75, 2), rng.uniform(0.08, 0.24, 2)
        seen = blob(rng, size, centre, radius)
        saliency = np.maximum(saliency, seen)
        label[seen > 100] = cls + 1
        for kind, share in (("oa_cam", 1.2), ("cam", 0.8)):  # a CAM covers less, and not quite the same
            place = centre + rng.normal(0, 0.05, 2)
            for name, map_size in MAPS.items():
                map_ = blob(rng, map_size or size, place, share * radius)
                write_grey(map_path(root / f"{kind}_{name}", id, cls), map_)
    photo = cv2.applyColorMap(saliency, cv2.COLORMAP_JET)
    photo = cv2.add(photo, rng.integers(0, 40, photo.shape, np.uint8))
    Image.fromarray(photo).save(root / f"data/JPEGImages/{id}.jpg", quality=90)
    write_grey(root / f"data/saliency/{id}.png", saliency)
    for folder in ("pred", "data/SegmentationClass"):
        write_indexed(root / f"{folder}/{id}.png", label)


def cut_photographs(root, count, size=SIZE):
    """Adds `count` pieces of matplotlib's photograph to the data set `root`/data, as the list `photographs`.

    Even areas are what makes the rows of dense CRF's lattice long: thousands of entries in these as in VOC's, tens in
    what draw_data draws. They have three sizes, one of them upright, and the first class.
    """
    from matplotlib import get_data_path

    photo, rng = Image.open(Path(get_data_path(), "sample_data/grace_hopper.jpg")), np.random.default_rng(0)
    ids = [f"photograph{number:04d}" for number in range(count)]
    for number, id in enumerate(ids):
        height, width = size[0] * (9 if number % 4 == 1 else 10) // 10, size[1]
        height, width = (width, height) if number % 4 == 3 else (height, width)
        left, top = (int(rng.integers(side + 1)) for side in (photo.width - width, photo.height - height))
        piece = photo.crop((left, top, left + width, top + height))
        piece.save(root / f"data/JPEGImages/{id}.jpg", quality=95)
    (root / "data/lists/photographs.txt").write_text("".join(f"{id} 0\n" for id in ids))


if __name__ == "__main__":
    draw_data(Path(sys.argv[1]), int(sys.argv[2]), tuple(map(int, sys.argv[3:])) or SIZE)
