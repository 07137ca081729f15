"""Fixtures for all tests: a tiny data set in the project's layout, a tiny VOC devkit, and a way to run a command.

Every test gets its own copy below `tmp_path`, so it may damage what it likes.
"""

import importlib
import os
import runpy
import signal
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
sys.path.append(str(ROOT / "benchmarks"))

from common.files.images import write_grey, write_indexed  # noqa: E402

TINY_CLASSES = ["disc", "square", "bar"]
TINY_IMAGES = {  # id: ((height, width), 0-based classes in ascending order)
    "a_simple": ((48, 64), [0]),
    "b_simple": ((64, 48), [2]),
    "c_complex": ((48, 64), [0, 1]),
    "d_complex": ((40, 56), [0, 1, 2]),
}


SLOWEST = "test_scripts test_distributed test_pipeline test_torture test_gpu_check test_predict test_timm".split()


def pytest_collection_modifyitems(items):
    """Put the slowest files first: a file is one process's work, and at the end no core shall wait for another."""
    places = {name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(SLOWEST)))


@pytest.fixture(scope="session")
def run_command():
    """`run_command("cls.train", "--out", path, …)` runs `python -m cls.train --out path …` in the repository root.

    Returns the CompletedProcess with `returncode`, `stdout` and `stderr` as text; it raises nothing on failure.
    """

    def run(module, *args):
        command = [sys.executable, "-m", module, *map(str, args)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600)  # if it hangs

    return run


@pytest.fixture
def in_process(monkeypatch):
    """`in_process("cls.train", "--out", path, …)` runs `python -m cls.train --out path …` in this process.

    It costs no start of Python and no import of PyTorch, but the command has one core and no processes of its own.
    Raises AssertionError unless the exit status is `status` (default 0).
    """
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(module, *arguments, status=0):
        monkeypatch.setattr(sys, "argv", [find_spec(module).origin, *map(str, arguments)])
        found = 0
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)  # runpy's
            try:
                runpy.run_module(module, run_name="__main__")
            except SystemExit as end:
                found = end.code or 0
        assert found == status, f"{module}: {found}"

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def here(tmp_path):
    """`here("cls.train", folder, *arguments)` runs a command's function in this process; returns <tmp_path>/<folder>.

    Without a record, on one thread, as the networks are too small to share. The random state is another in each folder,
    as nothing may depend on what came before.
    """
    import torch

    def run(module, folder, *arguments):
        module = importlib.import_module(module)
        args = module.parser().parse_args([str(each) for each in (*arguments, "--out", tmp_path / folder)])
        args.out.mkdir(exist_ok=True)
        torch.set_num_threads(1)
        torch.manual_seed(len(folder))
        module.run(args)
        return args.out

    threads = torch.get_num_threads()
    yield run
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def golden_file():
    """`golden_file(name)`: what the published implementation gave, {key: array} of tests/golden/<name>.npz."""

    def read(name):
        with np.load(ROOT / "tests" / "golden" / f"{name}.npz") as file:
            return dict(file)

    return read


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A folder of drawn data, see benchmarks/draw.py, with weights for benchmarks/trainings.py."""
    from draw import draw_data
    from trainings import write_resnet

    root = tmp_path_factory.mktemp("drawn")
    draw_data(root, 12, (96, 128))
    write_resnet(root / "resnet.pth", thin=True)
    return root


@pytest.fixture
def tiny_data(tmp_path):
    """Path of a data set folder: 3 classes, 4 JPEGs of 3 sizes, ground truth, saliency; lists train (all four),
    val (b_simple, d_complex) and test (c_complex, without classes)."""
    root = tmp_path / "tiny"
    for name in ("JPEGImages", "SegmentationClass", "saliency", "lists"):
        (root / name).mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(TINY_CLASSES) + "\n")
    lines = {}
    for id, (size, classes) in TINY_IMAGES.items():
        image, label, saliency = draw(size, [c + 1 for c in classes])
        Image.fromarray(image).save(root / "JPEGImages" / f"{id}.jpg")
        write_indexed(root / "SegmentationClass" / f"{id}.png", label)
        write_grey(root / "saliency" / f"{id}.png", saliency)
        lines[id] = " ".join([id, *map(str, classes)])
    for split, ids in (("train", lines), ("val", ["b_simple", "d_complex"])):
        (root / "lists" / f"{split}.txt").write_text("".join(lines[id] + "\n" for id in ids))
    (root / "lists" / "test.txt").write_text("c_complex\n")
    return root


# id: ((height, width), masks' values, objects as (name, difficult)); a train, a val and two SBD images without masks
DEVKIT_IMAGES = {
    "2007_000001": ((30, 40), [12], [("dog", 0)]),
    "2007_000002": ((40, 30), [15, 9], [("person", 0), ("chair", 1), ("person", 0)]),
    "2007_000003": ((30, 40), [20], [("tvmonitor", 0)]),
    "2008_000004": ((30, 40), None, [("sheep", 0), ("dog", 0)]),
    "2008_000005": ((30, 40), None, [("aeroplane", 0)]),
}


@pytest.fixture
def tiny_devkit(tmp_path):
    """Path of a VOC2012 devkit folder in the real format: train 2007_000001 and 2007_000002, val 2007_000003.

    Beside it: ../../saliency_aug (maps of all five images) and ../../sbd (train.txt: 2007_000003, 2008_000004;
    val.txt: 2008_000005, 2007_000001). Persons have a <part>, the chair of 2007_000002 is 'difficult'.
    """
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "SegmentationClass", "Annotations", "ImageSets/Segmentation"):
        (root / name).mkdir(parents=True)
    (tmp_path / "saliency_aug").mkdir()
    (tmp_path / "sbd").mkdir()
    for id, (size, values, objects) in DEVKIT_IMAGES.items():
        image, label, saliency = draw(size, values or [1])
        Image.fromarray(image).save(root / "JPEGImages" / f"{id}.jpg")
        write_grey(tmp_path / "saliency_aug" / f"{id}.png", saliency)
        (root / "Annotations" / f"{id}.xml").write_text(annotation(id, size, objects))
        if values:
            write_indexed(root / "SegmentationClass" / f"{id}.png", label)
    write_ids(root / "ImageSets/Segmentation/train.txt", "2007_000001", "2007_000002")
    write_ids(root / "ImageSets/Segmentation/val.txt", "2007_000003")
    write_ids(tmp_path / "sbd" / "train.txt", "2007_000003", "2008_000004")
    write_ids(tmp_path / "sbd" / "val.txt", "2008_000005", "2007_000001")
    return root


def draw(size, values):
    """Image (H, W, 3), label and saliency (H, W), all uint8: one upright block for each label value, with a 255 rim.

    The first block is the salient one.
    """
    height, width = size
    image = np.random.default_rng(height * width + sum(values)).integers(60, 120, (height, width, 3), dtype=np.uint8)
    label = np.zeros(size, np.uint8)
    saliency = np.full(size, 10, np.uint8)
    step = width // len(values)
    for position, value in enumerate(values):
        rows, columns = slice(height // 4, -height // 4), slice(position * step + 4, (position + 1) * step - 2)
        label[rows, columns] = 255
        label[rows, columns][1:-1, 1:-1] = value
        image[rows, columns] = (40 * value % 256, 90 * value % 256, 200)
        if position == 0:
            saliency[rows, columns] = 230
    return image, label, saliency


def annotation(id, size, objects):
    """A VOC annotation as the devkit writes it, with a <part> on every person."""
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    part = f"<part><name>head</name>{box}</part>"
    body = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult>{box}{part if name == 'person' else ''}</object>"
        for name, difficult in objects
    )
    shape = f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
    head = f"<folder>VOC2012</folder><filename>{id}.jpg</filename>{shape}<segmented>1</segmented>"
    return f"<annotation>{head}{body}</annotation>\n"


def write_ids(path, *ids):
    path.write_text("".join(id + "\n" for id in ids))
