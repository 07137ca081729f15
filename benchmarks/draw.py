"""Draw data in VOC's format for the benchmarks: images, saliency, ground truth, class maps.

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
MAP_SIZE = (32, 32)


def blob(rng, size, centre, radius):
    """A smooth bump with a little noise, like saliency and attention: uint8 `size`."""
    y, x = np.mgrid[0 : 1 : 1j * size[0], 0 : 1 : 1j * size[1]]
    bump = np.exp(-(((y - centre[0]) / radius[0]) ** 2) - ((x - centre[1]) / radius[1]) ** 2)
    noise = cv2.resize(rng.normal(0, 0.05, (12, 16)), size[::-1], interpolation=cv2.INTER_CUBIC)
    return (255 * np.clip(bump * (1 + noise) * 1.2 - 0.1, 0, 1)).astype(np.uint8)


def draw_data(root, images, size=SIZE):
    """The data set `root`/data with the lists `half` and `all`, maps in `root`/cam and `root`/oa_cam, predictions."""
    folders = ("data/JPEGImages", "data/saliency", "data/SegmentationClass", "data/lists", "pred", "cam", "oa_cam")
    for folder in folders:
        (root / folder).mkdir(parents=True)
    (root / "data/classes.txt").write_text("".join(f"class{number}\n" for number in range(CLASSES)))
    lines = []
    for number in range(images):
        rng = np.random.default_rng(number)
        id, classes = f"{number:06d}", sorted(rng.choice(CLASSES, rng.integers(1, 4), replace=False).tolist())
        lines.append(" ".join([id, *map(str, classes)]) + "\n")
        draw_image(root, rng, id, classes, size)
    for name, split in (("half", lines[: images // 2]), ("all", lines)):
        (root / f"data/lists/{name}.txt").write_text("".join(split))


def draw_image(root, rng, id, classes, size):
    """One image with a blob for each class, and everything else that there is of it."""
    saliency, label = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for cls in classes:
        centre, radius = rng.uniform(0.25, 0.75, 2), rng.uniform(0.08, 0.24, 2)
        seen = blob(rng, size, centre, radius)
        saliency = np.maximum(saliency, seen)
        label[seen > 100] = cls + 1
        for folder, share in (("oa_cam", 1.2), ("cam", 0.8)):  # a CAM covers less, and not quite the same
            map_ = blob(rng, MAP_SIZE, centre + rng.normal(0, 0.05, 2), share * radius)
            write_grey(map_path(root / folder, id, cls), map_)
    photo = cv2.applyColorMap(saliency, cv2.COLORMAP_JET)
    photo = cv2.add(photo, rng.integers(0, 40, photo.shape, np.uint8))
    Image.fromarray(photo).save(root / f"data/JPEGImages/{id}.jpg", quality=90)
    write_grey(root / f"data/saliency/{id}.png", saliency)
    for folder in ("pred", "data/SegmentationClass"):
        write_indexed(root / f"{folder}/{id}.png", label)


def cut_photographs(root, count, size=SIZE):
    """Add `count` pieces of matplotlib's photograph to the data set `root`/data, as the list `photographs`.

    Even areas make the rows of dense CRF's lattice long: thousands of entries in these as in VOC's photographs, tens in
    what draw_data draws. Every fourth piece is upright; all have the first class.
    """
    from matplotlib import get_data_path

    photo, rng = Image.open(Path(get_data_path(), "sample_data/grace_hopper.jpg")), np.random.default_rng(0)
    ids = [f"photograph{number:04d}" for number in range(count)]
    for number, id in enumerate(ids):
        height, width = size[::-1] if number % 4 == 3 else size
        left, top = (int(rng.integers(side + 1)) for side in (photo.width - width, photo.height - height))
        piece = photo.crop((left, top, left + width, top + height))
        piece.save(root / f"data/JPEGImages/{id}.jpg", quality=95)
    (root / "data/lists/photographs.txt").write_text("".join(f"{id} 0\n" for id in ids))


if __name__ == "__main__":
    draw_data(Path(sys.argv[1]), int(sys.argv[2]), tuple(map(int, sys.argv[3:])) or SIZE)
