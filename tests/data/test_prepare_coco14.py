"""data.prepare_coco14 on small folders in COCO's real layout; the masks against the official API's own decoding."""

import contextlib
import io
import json
import runpy
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from common.files.dataset import DataSet
from common.files.images import write_grey
from common.files.instances import classes_beneath
from data import prepare_coco14
from stages.files import InputError

# pycocotools gives NumPy 2 an array in the manner of NumPy 1
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
MADE = runpy.run_path(Path(__file__).with_name("made_coco.py"))
image, polygon, crowd, rectangle = (MADE[name] for name in ("image", "polygon", "crowd", "rectangle"))
SHAPE = 48, 64
TRAIN = "annotations/instances_train2014.json"
FIRST, SECOND, VAL = "COCO_train2014_000000000009", "COCO_train2014_000000000100", "COCO_val2014_000000000042"


def disc(row, column, radius):
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 < radius**2


@pytest.fixture
def root(tmp_path):
    """A folder of five images; in train, the second stands first in the JSON, and the last has no object."""
    train = [
        polygon(7, 100, 90, rectangle(50, 30, 90, 70), area=400),  # toothbrush, partly outside
        polygon(8, 100, 13, rectangle(100, 100, 120, 120), area=400),  # stop sign, all outside
        polygon(1, 9, 1, rectangle(4, 4, 44, 40), area=1440),  # person
        polygon(2, 9, 18, rectangle(10, 10, 20, 20), rectangle(30.5, 5, 50.25, 9.75), area=190),  # dog, in two parts
        crowd(900, 9, 31, disc(24, 40, 9)),  # handbags, on the person, beside the dog
        polygon(4, 9, 1, rectangle(12, 12, 16, 16), area=16),  # person on the dog
        crowd(901, 9, 1, disc(40, 10, 12)),
    ]
    images = [image("train", 100), image("train", 9), image("train", 11)]
    MADE["write_split"](tmp_path, "train", images, train)
    MADE["write_split"](tmp_path, "val", [image("val", 42)], [polygon(7, 42, 2, [5, 5, 40, 9, 20, 40], area=500)])
    return tmp_path


def prepare(root, *more):
    """Runs the stage in this process, without its record; returns the folder it wrote."""
    out = root / "out"
    out.mkdir(exist_ok=True)
    arguments = ["--images", root / "images", "--annotations", root / "annotations", "--out", out, "--workers", "1"]
    prepare_coco14.run(prepare_coco14.parser().parse_args([*map(str, arguments), *more]))
    return out


def change(root, function, split="train"):
    """Writes a JSON again after `function(content)`."""
    path = root / f"annotations/instances_{split}2014.json"
    content = json.loads(path.read_text())
    function(content)
    path.write_text(json.dumps(content))


def replace_annotations(entries, content):
    content["annotations"] = entries


def lines(out, split):
    return (out / "lists" / f"{split}.txt").read_text().splitlines()


def table(text):
    """{row: cells} of the counts."""
    rows = [line for line in text.splitlines() if len(line) > 40 and ":" not in line]
    return {row[:14].strip(): row[14:].split() for row in rows}


def official(root, split="train"):
    """The official API on a JSON."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(root / f"annotations/instances_{split}2014.json"))


def expected_masks(api, id):
    """coco2voc's rule with the API's decoding: by ascending area, a pixel keeps its first. Classes and annotations."""
    ids = sorted(api.cats)
    found = sorted(api.loadAnns(api.getAnnIds(imgIds=[id])), key=lambda each: (each["area"], each["id"]))
    size = api.imgs[id]["height"], api.imgs[id]["width"]
    classes, owners = np.zeros(size, np.uint8), np.zeros(size, np.int64)
    for entry in found:
        free = (api.annToMask(entry) > 0) & (owners == 0)
        classes[free], owners[free] = 1 + ids.index(entry["category_id"]), entry["id"]
    return classes, owners


def test_command_end_to_end(run_command, root):
    saliency = root / "saliency"
    saliency.mkdir()
    for id in (FIRST, SECOND):
        write_grey(saliency / f"{id}.png", np.zeros(SHAPE, np.uint8))
    inputs = ["--images", root / "images", "--annotations", root / "annotations", "--saliency", saliency]
    arguments = [*inputs, "--out", root / "out", "--workers", "2"]
    result = run_command("data.prepare_coco14", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert "train 2, val 1 images" in result.stdout
    assert "nothing to do" in run_command("data.prepare_coco14", *arguments).stdout

    data = DataSet(root / "out")
    assert (data.root / "saliency").resolve() == saliency.resolve()
    assert data.saliency(FIRST).shape == SHAPE
    for item in [*data.split("train", labelled=True), *data.split("val", labelled=True)]:
        link = data.image_path(item.id)
        assert link.is_symlink() and link.readlink().is_absolute()
        assert data.image(item.id).shape == (*SHAPE, 3)
        assert data.ground_truth(item.id).max() > 0 and data.instances(item.id).max() > 0
    assert Image.open(data.image_path(SECOND)).mode == "L"  # the grey one


def test_lists_hold_the_classes_of_all_annotations_by_image_id(root):
    out = prepare(root)
    assert lines(out, "train") == [f"{FIRST} 0 16 26", f"{SECOND} 11 79"]
    assert lines(out, "val") == [f"{VAL} 1"]
    assert not (out / "JPEGImages/COCO_train2014_000000000011.jpg").exists()
    assert sorted(path.stem for path in (out / "SegmentationClass").iterdir()) == [FIRST, SECOND, VAL]


def test_classes_are_cocos_in_the_order_of_ids(root):
    change(root, lambda content: content["categories"].reverse())
    change(root, lambda content: content["categories"].reverse(), "val")
    names = (prepare(root) / "classes.txt").read_text().splitlines()
    assert names == [each["name"] for each in MADE["CATEGORIES"]]
    assert (len(names), names[0], names[11], names[79]) == (80, "person", "stop sign", "toothbrush")


def many(count, seed, id=100):
    """Overlapping objects, some outside, crowds, equal areas."""
    rng = np.random.default_rng(seed)
    categories = [each["id"] for each in MADE["CATEGORIES"]]
    for number in rng.permutation(count) + 1:
        category, area = int(rng.choice(categories)), int(rng.integers(1, 5)) * 100
        if rng.random() < 0.2:
            entry = crowd(int(number), id, category, disc(*rng.uniform(0, 50, 2), rng.uniform(2, 20)))
        else:
            points = np.round(rng.normal(30, 25, (2, 2 * rng.integers(3, 9))), 2).tolist()
            entry = polygon(int(number), id, category, *points[: rng.integers(1, 3)], area=area)
        yield entry | {"area": area}


@pytest.mark.parametrize("seed", range(4))
def test_masks_are_those_of_the_official_api(root, seed):
    change(root, partial(replace_annotations, list(many(30, seed))))
    data, api = DataSet(prepare(root)), official(root)
    classes, owners = expected_masks(api, 100)
    assert np.array_equal(data.ground_truth(SECOND), classes)
    numbers = data.instances(SECOND)
    crowds = [entry["id"] for entry in api.loadAnns(api.getAnnIds(imgIds=[100])) if entry["iscrowd"]]
    assert np.array_equal(numbers == 255, np.isin(owners, crowds)) and np.array_equal(numbers == 0, owners == 0)
    pairs = set(zip(numbers[(numbers > 0) & (numbers < 255)], owners[(numbers > 0) & (numbers < 255)]))
    assert len(pairs) == len({number for number, _ in pairs}) == len({owner for _, owner in pairs}) > 5
    areas = [api.anns[int(owner)]["area"] for _, owner in sorted(pairs)]
    assert areas == sorted(areas, reverse=True)
    assert all(len(values) == 1 for values in classes_beneath(numbers, classes).values())


def test_crowds_may_be_ignored(root):
    change(root, partial(replace_annotations, list(many(30, 3))))
    as_class = DataSet(prepare(root)).ground_truth(SECOND)
    for path in (root / "out/SegmentationClass").iterdir():
        path.unlink()
    data, api = DataSet(prepare(root, "--crowds", "ignore")), official(root)
    crowds = np.zeros(SHAPE, bool)
    for entry in api.loadAnns(api.getAnnIds(imgIds=[100], iscrowd=True)):
        crowds |= api.annToMask(entry) > 0
    change(root, partial(replace_annotations, [each for each in many(30, 3) if not each["iscrowd"]]))
    objects, _ = expected_masks(official(root), 100)
    expected = np.where(crowds & (objects == 0), 255, objects)
    assert np.array_equal(data.ground_truth(SECOND), expected) and (expected == 255).any() and 255 not in as_class
    assert np.array_equal(data.instances(SECOND) == 255, expected == 255)


def test_more_than_254_objects(root, capsys):
    columns = [polygon(k + 1, 9, 1 + k % 2, rectangle(0, 0, 1, 1), area=k) for k in range(300)]
    columns[0]["segmentation"] = [rectangle(10, 10, 20, 20)]  # the smallest
    columns[-1]["segmentation"] = [rectangle(30, 30, 40, 40)]  # the largest
    change(root, partial(replace_annotations, columns))
    numbers = DataSet(prepare(root)).instances(FIRST)
    assert (numbers[15, 15], numbers[35, 35]) == (255, 1)
    assert f"{FIRST} has 300 objects; the 46 smallest are 255" in capsys.readouterr().out


def test_objects_without_pixels_count_for_the_labels(root, capsys):
    shapes = [[], [[1, 2]], [[3, 3, 9, 9]], [[3, 3, 3, 3, 3, 3]]]
    entries = [polygon(k + 1, 9, k + 2, *shape, area=0.1) for k, shape in enumerate(shapes)]
    change(root, partial(replace_annotations, entries))
    out = prepare(root)
    assert lines(out, "train") == [f"{FIRST} 1 2 3 4"]
    assert not DataSet(out).ground_truth(FIRST).any()
    assert "train2014.json: 3 objects have no polygon of three points" in capsys.readouterr().out


def test_empty_images_are_kept_when_asked(root, capsys):
    prepare(root)
    counts = table(capsys.readouterr().out)
    assert counts["images"] == ["2", "82081", "1", "40137"]
    out = prepare(root, "--keep-empty")
    assert lines(out, "train") == [f"{FIRST} 0 16 26", "COCO_train2014_000000000011", f"{SECOND} 11 79"]
    counts = table(capsys.readouterr().out)
    assert counts["images"] == ["3", "82783", "1", "40504"]
    assert (counts["simple"], counts["complex"]) == (["0", "-", "1", "-"], ["2", "-", "0", "-"])
    assert (counts["person"], counts["bicycle"]) == (["1", "-", "0", "-"], ["0", "-", "1", "-"])
    assert len(counts) == 4 + 80
    data = DataSet(out)
    assert not data.ground_truth("COCO_train2014_000000000011").any()
    with pytest.raises(InputError, match="line 2: expected at least one class of COCO_train2014_000000000011"):
        data.split("train", labelled=True)


def test_what_is_there_is_not_painted_again(root):
    out = prepare(root)
    broken, missing = out / f"SegmentationClass/{FIRST}.png", out / f"InstanceMasks/{SECOND}.png"
    contents = [broken.read_bytes(), missing.read_bytes()]
    broken.write_bytes(contents[0][:-8])
    missing.unlink()
    kept = out / f"SegmentationClass/{VAL}.png"
    before = kept.stat().st_mtime_ns
    time.sleep(0.01)
    prepare(root)
    assert [broken.read_bytes(), missing.read_bytes()] == contents and kept.stat().st_mtime_ns == before


def annotation(**change):
    return lambda content: content["annotations"][2].update(change)


def entry(**change):
    return lambda content: content["images"][1].update(change)


REFUSED = [
    (annotation(category_id=12), "(KeyError: 12)"),
    (annotation(image_id=5), "an annotation of image 5, which is not listed"),
    (annotation(segmentation=[1, 2, 3]), "(TypeError: "),
    (annotation(segmentation={"counts": [48 * 64], "size": [64, 48]}), "run lengths of size [64, 48] in an image"),
    (lambda content: content["annotations"][2].pop("iscrowd"), "(KeyError: 'iscrowd')"),
    (entry(file_name="../x.jpg"), "a file_name such as COCO_train2014_000000000009.jpg is needed, found '../x.jpg'"),
    (lambda content: content["categories"][0].update(name="yeti"), "expected the categories of the training images"),
    (lambda content: content.update(annotations=[]), "expected at least one image with an object"),
]


def test_annotations_that_cannot_be_are_refused_and_nothing_is_written(root):
    whole = (root / TRAIN).read_text()
    for damage, expected in REFUSED:
        (root / TRAIN).write_text(whole)
        change(root, damage)
        with pytest.raises(InputError) as error:
            prepare(root)
        message = str(error.value)
        assert expected in message and "2014.json: expected" in message and len(message.splitlines()) == 1
    for content in (b"", b"[]", b"\xff\xfe{", whole.encode()[:-1], whole.encode()[: len(whole) // 3]):
        (root / TRAIN).write_bytes(content)
        with pytest.raises(InputError, match="instances_train2014.json: expected COCO's annotations"):
            prepare(root)
    assert not list((root / "out").iterdir())


def test_an_image_of_both_splits_is_refused(root):
    change(root, lambda content: content["images"][0].update(file_name=f"{FIRST}.jpg"), "val")
    with pytest.raises(InputError, match=f"instances_val2014.json: {FIRST} is an image of train, too"):
        prepare(root)
