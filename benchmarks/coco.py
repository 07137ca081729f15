"""Label stages and scores at MS COCO 2014's size, and starting them again: python benchmarks/coco.py

On made images of 16 to 24 pixels a side, hard links of a few hundred different ones: so the times are those of many
files, not of pixels. The memory is that of a command's largest process.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from measurement import ROOT, run, show

from common.files.images import write_grey, write_indexed
from common.files.maps import map_path

SECTION = "MS COCO's size"
COUNTS = {"train": 82_783, "val": 40_504}
CLASSES, MORE_CLASSES = 80, 1.9  # of an image, beside its first, on average
SIDES, VARIANTS = range(16, 25), 5
FINISHED = 3  # s, at most, for the start of a finished stage
PAUSE = 61  # s, after which this system has dropped what it knew of the files
MEMORY = 16 * 1024  # MiB, at most, for any stage


def rough(rng, size):
    """A smooth random image uint8 `size`, from 0 to 255."""
    image = cv2.resize(rng.uniform(0, 255, (4, 4)).astype(np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def write_originals(folder, rng):
    """Write the files that all others are links to. Returns the names of the images among them."""
    folder.mkdir()
    names = [f"{h}x{w}_{variant}" for h in SIDES for w in SIDES for variant in range(VARIANTS)]
    for name in names:
        size = tuple(map(int, name.partition("_")[0].split("x")))
        cv2.imwrite(str(folder / f"{name}.jpg"), np.dstack([rough(rng, size) for _ in range(3)]))
        write_grey(folder / f"{name}_saliency.png", rough(rng, size))
        write_indexed(folder / f"{name}_label.png", rough(rng, size) // 86 * rng.integers(1, 40, dtype=np.uint8))
    for variant in range(200):  # class maps at the network's resolution
        write_grey(folder / f"map_{variant}.png", rough(rng, (32, 32)))
    return names


def make_data(folder):
    """The data set `folder`/data with as many images as COCO, and class maps in `folder`/cam. Returns sizes."""
    rng = np.random.default_rng(0)
    originals = folder / "originals"
    names, data, maps = write_originals(originals, rng), folder / "data", folder / "cam"
    for path in (data / "JPEGImages", data / "saliency", data / "SegmentationClass", data / "lists", maps):
        path.mkdir(parents=True)
    (data / "classes.txt").write_text("".join(f"class{number}\n" for number in range(CLASSES)))
    weights = 1 / np.arange(1, CLASSES + 1)  # the first class is the most frequent by far
    found = {}
    for split, count in COUNTS.items():
        lines, map_count = [], 0
        for number in range(count):
            id, name = f"COCO_{split}2014_{number:012d}", names[rng.integers(len(names))]
            amount = min(CLASSES, 1 + rng.poisson(MORE_CLASSES))
            classes = sorted(rng.choice(CLASSES, amount, replace=False, p=weights / weights.sum()).tolist())
            os.link(originals / f"{name}.jpg", data / f"JPEGImages/{id}.jpg")
            os.link(originals / f"{name}_label.png", data / f"SegmentationClass/{id}.png")
            if split == "train":
                os.link(originals / f"{name}_saliency.png", data / f"saliency/{id}.png")
                for cls in classes:
                    os.link(originals / f"map_{map_count % 200}.png", map_path(maps, id, cls))
                    map_count += 1
            lines.append(" ".join([id, *map(str, classes)]) + "\n")
        (data / f"lists/{split}.txt").write_text("".join(lines))
        found[split] = len(lines), map_count
    return found


def call(folder, module, **arguments):
    """Run a command in `folder`; see measurement.run."""
    options = [text for name, value in arguments.items() for text in (f"--{name.replace('_', '-')}", value)]
    environment = ["env", f"PYTHONPATH={ROOT}", "OMP_NUM_THREADS=1"]
    return run([*environment, sys.executable, "-m", module, "--data", "data", *options], folder)


def measure(folder, what, module, pause=0, **arguments):
    """Show time and memory of a stage, and the time of starting it again once finished, the slower of two."""
    seconds, memory, _ = call(folder, module, **arguments)
    show(SECTION, f"{module}, {what}", "s", {"time": seconds})
    show(SECTION, f"{module}, {what}", "MiB", {"memory": memory}, at_most=MEMORY)
    time.sleep(pause)
    times = []
    for _ in range(3):
        seconds, _, output = call(folder, module, **arguments)
        if "nothing to do" not in output:
            sys.exit(f"{module}: expected it to be finished\n{output}")
        times.append(seconds)
    sides = ({f"after {pause} s": times[0]} if pause else {}) | {"at once": max(times[1:])}
    show(SECTION, f"{module}, finished: start", "s", sides, at_most=FINISHED)


def main():
    with tempfile.TemporaryDirectory() as folder:
        sizes = make_data(Path(folder))
        what = "{} labels, {} maps".format(*sizes["train"])
        measure(folder, what, "pseudo.background", split="train", oa_cam="cam", out="run/label")
        measure(folder, what, "pseudo.pom", PAUSE, split="train", label="run/label", cam="cam", out="run/pom")
        images = f"{sizes['train'][0]} images"
        measure(folder, images, "evaluate.labels", split="train", pred="run/pom", out="run/scores")


if __name__ == "__main__":
    main()
