"""What it takes to extend the code: each change is made in a copy of the tree, counted, and run on a few images.

A change is {path: text of a new file, or [(old, new), …] for one that is there}.
"""

import difflib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.files.images import read_grey, read_indexed, write_grey, write_indexed

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "tests/extending"

LOSS = {
    "cls/train.py": [
        ("from stages.arguments import ", "from stages.arguments import positive_float, "),
        (
            "    return parser\n",
            '    parser.add_argument("--own-weight", type=positive_float, default=0.1, help="of the own loss")\n'
            "    return parser\n",
        ),
        ("    from cls import engine\n", "    from torch.nn import functional as F\n\n    from cls import engine\n"),
        (
            "            training.step({",
            '            own = F.multilabel_soft_margin_loss(maps.mean((2, 3)), batch["label"], reduction="none")\n'
            "            own = args.own_weight * own\n"
            '            training.step({"own": own} | {',
        ),
    ]
}

CLASSIFIER = {
    "cls/patches.py": (EXAMPLES / "patches.py").read_text(),
    "cls/architecture.py": [('    "iam": ', '    "patches": "cls.patches:Patches",\n    "iam": ')],
}
GRAD_CAM = {"cls/grad_cam.py": (EXAMPLES / "grad_cam.py").read_text()}
SEGMENTATION = {
    "seg/plus.py": (EXAMPLES / "plus.py").read_text(),
    "seg/architecture.py": [('    "vgg16": ', '    "plus": "seg.plus:DeepLabV3Plus",\n    "vgg16": ')],
}
DATA_SET = {"data/prepare_named.py": (EXAMPLES / "prepare_named.py").read_text()}
PAGE = (ROOT / "docs/own_rule.md").read_text()
RULE = {"pseudo/salient.py": re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]}  # the page's, as it stands there

RUN = """
import os, runpy, shlex, sys
os.sched_getaffinity = lambda _: {0}  # one core: nothing in other processes
for line in sys.argv[1:]:
    module, *words = shlex.split(line)
    sys.argv = [f"{module.replace('.', '/')}.py", *words]
    runpy.run_module(module, run_name="__main__")
"""
HERE = "--workers 0 --device cpu"
CLS = f"--data tiny --split train --epochs 1 --batch-size 2 --input-size 64 {HERE}"
VGG = "--channels 4 4 4 4 4 --depths 1 1 1 1 1"
SEG = f"--data tiny --split train --iterations 1 --batch-size 2 --crop-size 33 --rates 1 {HERE}"
INFER = f"--data tiny --split train {HERE}"
LABELS = "--data tiny --split train --workers 1"


def make(copy, change):
    """Copies the tree and makes the change."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("git does not know which files belong to the tree")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    for name, content in change.items():
        if isinstance(content, list):
            text = (copy / name).read_text()
            for old, new in content:
                assert text.count(old) == 1, f"{name}: {old}"
                text = text.replace(old, new)
            content = text
        (copy / name).write_text(content)


def price(copy):
    """(number of new files, of files that were there and have changed, of lines that are new in these)."""
    new, changed, lines = 0, 0, 0
    for path in sorted(copy.rglob("*.*")):
        before = ROOT / path.relative_to(copy)
        if path.is_file() and not before.exists():
            new += 1
        elif path.is_file() and path.read_bytes() != before.read_bytes():
            changed += 1
            texts = [each.read_text().splitlines() for each in (before, path)]
            lines += sum(line.startswith("+ ") for line in difflib.ndiff(*texts))
    return new, changed, lines


@pytest.fixture
def extend(tmp_path, tiny_data):
    """`extend(change, new, changed, lines)` makes it in <tmp_path>/copy; it may take so many files and lines, not more.

    Returns a function that runs commands there, in one process, and gives the copy, in which the data are `tiny`.
    """

    def start(change, new, changed, lines):
        copy = tmp_path / "copy"
        make(copy, change)
        found = price(copy)
        assert found[:2] == (new, changed) and found[2] <= lines, found
        shutil.copytree(tiny_data, copy / "tiny")

        def run(*commands):
            result = subprocess.run([sys.executable, "-c", RUN, *commands], cwd=copy, capture_output=True, text=True)
            assert result.returncode == 0, result.stdout + result.stderr
            return copy

        return run

    return start


def is_map_of_each_class(folder):
    """Whether the folder holds a map of each class of each of the tiny images, some of them not empty."""
    ids = ["a_simple_0", "b_simple_2", "c_complex_0", "c_complex_1", "d_complex_0", "d_complex_1", "d_complex_2"]
    found = sorted(folder.glob("*.png"))
    return [path.stem for path in found] == ids and any(read_grey(path).any() for path in found)


def test_a_loss_on_the_classifiers_maps(extend):
    run = extend(LOSS, new=0, changed=1, lines=10)
    copy = run(f"cls.train {CLS} {VGG} --nodes 2 --out runs/cls")
    assert any(b"loss/own" in path.read_bytes() for path in (copy / "runs/cls/tensorboard").iterdir())


def test_another_classifier(extend):
    run = extend(CLASSIFIER, new=1, changed=1, lines=1)
    copy = run(
        f"cls.train {CLS} --network patches --out runs/cls",
        f"cls.infer {INFER} --weights runs/cls/weights.pth --out runs/cam",
    )
    assert is_map_of_each_class(copy / "runs/cam") and read_grey(copy / "runs/cam/a_simple_0.png").shape == (4, 4)


def test_cams_of_another_kind(extend):
    run = extend(GRAD_CAM, new=1, changed=0, lines=0)
    maps = [
        f"cls.{name} {INFER} --weights runs/cls/weights.pth --flip --out runs/{name}" for name in ("infer", "grad_cam")
    ]
    copy = run(f"cls.train {CLS} {VGG} --nodes 2 --out runs/cls", *maps)
    assert is_map_of_each_class(copy / "runs/grad_cam")
    name = "a_simple_0.png"
    assert (copy / "runs/grad_cam" / name).read_bytes() != (copy / "runs/infer" / name).read_bytes()


def test_another_segmentation_network(extend):
    run = extend(SEGMENTATION, new=1, changed=1, lines=1)
    size = "--backbone plus --blocks 1 1 1 1 --width 4"
    copy = run(
        f"seg.train {SEG} {size} --labels tiny/SegmentationClass --out runs/seg",
        f"seg.predict {INFER} --weights runs/seg/weights.pth --backbone plus --out runs/pred",
    )
    assert len(list((copy / "runs/pred").glob("*.png"))) == 4
    assert read_indexed(copy / "runs/pred/a_simple.png").shape == (48, 64)


def test_a_new_data_set(extend):
    run = extend(DATA_SET, new=1, changed=0, lines=0)
    copy = run(
        "data.prepare_named --images tiny/JPEGImages --out runs/named",
        "data.check --data runs/named --no-saliency --workers 1",
    )
    assert (copy / "runs/named/classes.txt").read_text() == "a\nb\nc\nd\n"


def test_a_label_rule(extend):
    """That of docs/own_rule.md."""
    run = extend(RULE, new=1, changed=0, lines=0)
    copy = run(f"pseudo.salient {LABELS} --label tiny/SegmentationClass --out runs/label")
    for path in (copy / "tiny/SegmentationClass").iterdir():
        label, saliency = read_indexed(path), read_grey(copy / "tiny/saliency" / path.name)
        expected = np.where((label > 0) & (saliency < 32), 255, label)
        np.testing.assert_array_equal(read_indexed(copy / "runs/label" / path.name), expected)


def test_maps_and_labels_made_elsewhere(extend, tmp_path):
    """Maps in the image's size, and labels, in folders that no stage has written."""
    run = extend({}, new=0, changed=0, lines=0)
    for folder in ("maps", "labels"):
        (tmp_path / "copy" / folder).mkdir()
    for line in (tmp_path / "tiny/lists/train.txt").read_text().splitlines():
        id, *classes = line.split()
        truth = read_indexed(tmp_path / "tiny/SegmentationClass" / f"{id}.png") % 255
        write_indexed(tmp_path / "copy/labels" / f"{id}.png", np.zeros_like(truth))
        for cls in classes:
            map_ = np.where(truth == int(cls) + 1, 4 * np.arange(truth.shape[1]), 0).astype(np.uint8)
            write_grey(tmp_path / "copy/maps" / f"{id}_{cls}.png", map_)
    copy = run(
        f"pseudo.pom {LABELS} --label labels --cam maps --out runs/label_pseudo",
        f"seg.train {SEG} --backbone vgg16 {VGG} --fc-channels 4 --labels labels --out runs/seg",
    )
    label, truth = (
        read_indexed(copy / path / "a_simple.png") for path in ("runs/label_pseudo", "tiny/SegmentationClass")
    )
    assert (label == 255)[truth == 1].any()  # mined: outside of the label, the map is high


def test_the_linter_and_the_tests_bear_all_of_it(tmp_path):
    """Those that look at each file, command and option."""
    make(tmp_path / "copy", LOSS | CLASSIFIER | GRAD_CAM | SEGMENTATION | DATA_SET | RULE)
    tried, networks = ("cls.grad_cam", "data.prepare_named", "pseudo.salient"), ("classifier", "DeepLab")
    tests = [
        *(f"test_bad_input.py::test_bad_input_is_refused_and_nothing_is_written[{it}]" for it in tried),
        *(f"test_bad_files.py::test_a_file_that_cannot_be_used_is_named_in_one_line[{it}]" for it in networks),
        "test_forbidden_code.py::test_the_code_does_nothing_dangerous",
        "test_imports.py",
        "test_docs.py::test_everything_a_page_names_exists[docs/own_rule.md]",
        "wiring/test_numbers.py::test_defaults",
    ]
    commands = [["pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{name}" for name in tests)]]
    if shutil.which("ruff", path=Path(sys.executable).parent):
        commands += [["ruff", "check", "--no-cache", "."], ["ruff", "format", "--no-cache", "--check", "."]]
    for words in commands:
        result = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path / "copy", capture_output=True, text=True)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        assert " skipped" not in result.stdout
