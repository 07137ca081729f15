"""evaluate.instances against its definition in plain loops, and against pycocotools where both rules agree."""

import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import read_indexed, write_indexed
from common.files.instances import write_instances
from evaluate import instances as module
from evaluate.instances import class_ap, collect
from stages import distributed

SIZE = 40, 60
THRESHOLDS = [0.25, 0.5, 0.7, 0.75]
CLASSES = ["disc", "square", "bar", "absent"]


def put_image(root, id, numbers, classes, detections, ignored=None):
    """One image: objects, uint8 (H, W) of numbers with their classes (0-based); detections [(class, score, mask)]."""
    truth = np.append(0, np.array(classes, np.uint8) + 1)[numbers].astype(np.uint8)
    if ignored is not None:
        truth[ignored & (numbers == 0)] = 255
        numbers = np.where(ignored, 255, numbers).astype(np.uint8)
    Image.fromarray(np.zeros((*numbers.shape, 3), np.uint8)).save(root / f"JPEGImages/{id}.jpg")
    write_indexed(root / f"SegmentationClass/{id}.png", truth)
    write_indexed(root / f"InstanceMasks/{id}.png", numbers)
    found, scores, masks = zip(*detections) if detections else ((), (), np.zeros((0, *numbers.shape), bool))
    write_instances(root / "pred", id, np.array(masks, bool), found, scores)
    with open(root / "lists/val.txt", "a") as file:
        file.write(f"{id}\n")


@pytest.fixture
def root(tmp_path):
    """An empty data set."""
    for name in ("JPEGImages", "SegmentationClass", "InstanceMasks", "lists", "pred", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    return tmp_path


def arguments(root, *more):
    given = ["--data", root, "--split", "val", "--pred", root / "pred", "--out", root / "out", "--workers", 1, *more]
    return module.parser().parse_args(list(map(str, given)))


def score(root, *more):
    """scores.json of a run in this process."""
    module.run(arguments(root, *more))
    return json.loads((root / "out/scores.json").read_text())


def box(rng, size=SIZE):
    mask = np.zeros(size, bool)
    top, left = rng.integers(size[0] - 6), rng.integers(size[1] - 6)
    mask[top : top + rng.integers(4, 22), left : left + rng.integers(4, 22)] = True
    return mask


def put_random_images(root, count=14, seed=0):
    """Objects that hide each other and detections that do, too, of which many come close to an object."""
    rng = np.random.default_rng(seed)
    for image in range(count):
        numbers, drawn = np.zeros(SIZE, np.uint8), rng.integers(0, 7)
        for number in range(1, drawn + 1):
            numbers[box(rng)] = number
        classes = rng.integers(0, 3, drawn)
        detected = np.zeros(SIZE, np.uint8)
        found = []
        for number in range(1, rng.integers(0, 9) + 1):
            near = rng.random() < 0.8 and drawn
            target = rng.integers(1, drawn + 1) if near else 0
            mask = np.roll(numbers == target, rng.integers(-1, 2, 2), (0, 1)) if near else box(rng)
            detected[mask & (rng.random(SIZE) < 0.97)] = number
            right = near and rng.random() < 0.8
            found.append((classes[target - 1] if right else rng.integers(0, 4), rng.integers(1, 6) / 5))  # many equal
        detections = [(*each, detected == number) for number, each in enumerate(found, start=1)]
        put_image(root, f"i{image}", numbers, classes, detections, ignored=rng.random(SIZE) < 0.1)


def pixels(array, number, counted):
    return set(map(tuple, np.argwhere((array == number) & counted).tolist()))


def by_definition(root, cls, threshold, void):
    """AP of a class by its definition, one image, detection and object after the other; None without objects."""
    objects, judged = 0, []
    for place, id in enumerate((root / "lists/val.txt").read_text().split()):
        truth, numbers, found = (
            read_indexed(root / f"{name}/{id}.png") for name in ("SegmentationClass", "InstanceMasks", "pred")
        )
        counted = (truth != 255) & (numbers != 255) | (void == "background")
        own = []
        for number in range(1, 8):
            if here := pixels(numbers, number, counted):
                if truth[next(iter(here))] == cls + 1:
                    own.append(here)
        objects += len(own)
        taken = []
        for number, entry in enumerate(json.loads((root / f"pred/{id}.json").read_text())):
            here = pixels(found, entry["number"], counted)
            if entry["class"] != cls or not here:
                continue
            best, best_iou = None, 0
            for index, other in enumerate(own):
                if (iou := len(here & other) / len(here | other)) > best_iou:
                    best, best_iou = index, iou
            right = best_iou >= threshold and best not in taken
            if right:
                taken.append(best)
            judged.append((-entry["score"], place, number, right))
    if not objects:
        return None
    judged.sort()
    precisions = [sum(each[3] for each in judged[:end]) / end for end in range(1, len(judged) + 1)]
    return sum(max(precisions[rank:]) for rank, each in enumerate(judged) if each[3]) / objects


@pytest.mark.parametrize("void", ["ignore", "background"])
def test_equals_its_definition_on_random_masks(root, void):
    put_random_images(root)
    report = score(root, "--void", void)
    values = []  # None for a class without objects
    for cls, name in enumerate(CLASSES):
        for threshold in THRESHOLDS:
            expected = by_definition(root, cls, threshold, void)
            values.append(expected)
            assert report["class_ap"][name][str(threshold)] == (None if expected is None else round(100 * expected, 2))
    assert values[-4:] == [None] * 4 and values.count(0) < 3 and len(set(values)) > 9  # the cases are not alike
    means = np.mean(np.array(values[:-4]).reshape(3, 4), axis=0)
    assert list(report["mean_ap"].values()) == [round(100 * mean, 2) for mean in means]
    assert list(report["mean_ap"]) == ["0.25", "0.5", "0.7", "0.75"] and report["images"] == 14


def coco_ap(images, cls, thresholds):
    """AP by pycocotools at each threshold; images: [(objects, detections)], each [(class, score or None, mask)]."""
    from pycocotools import mask as masks
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = [], []
    for image, (objects, detections) in enumerate(images, start=1):
        for own, kind in ((objects, truth), (detections, found)):
            for each, value, mask in own:
                entry = {"id": len(kind) + 1, "image_id": image, "category_id": each + 1, "iscrowd": 0}
                entry |= {"segmentation": masks.encode(np.asfortranarray(mask)), "area": int(mask.sum())}
                kind.append(entry | ({} if value is None else {"score": value}))
    reference = COCO()
    reference.dataset = {"annotations": truth}
    reference.dataset["images"] = [{"id": image + 1, "height": 1, "width": 1} for image in range(len(images))]
    reference.dataset["categories"] = [{"id": number} for number in range(1, len(CLASSES) + 1)]
    with contextlib.redirect_stdout(io.StringIO()):
        reference.createIndex()
        evaluation = COCOeval(reference, reference.loadRes(found), "segm")
        count = sum(each["category_id"] == cls + 1 for each in truth)
        evaluation.params.catIds, evaluation.params.iouThrs = [cls + 1], np.array(thresholds)
        evaluation.params.recThrs = (np.arange(count) + 0.5) / count  # between two recalls: their mean is the area
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, 0, 0, -1].mean(1)


def cells(rng):
    """Objects and detections of an image in a grid, so that no detection overlaps two objects."""
    objects, detections = [], []
    for top in range(0, SIZE[0], 20):
        for left in range(0, SIZE[1], 20):
            cls, (height, width) = int(rng.integers(3)), rng.integers(10, 17, 2)
            mask, border = np.zeros(SIZE, bool), top + int(rng.integers(6, height + 2))  # between two detections
            mask[top : top + height, left : left + width] = True
            if rng.random() < 0.8:
                objects.append((cls, None, mask))
            for rows in (slice(top, border), slice(border, top + 20)):
                own = np.zeros(SIZE, bool)
                own[rows, left : left + width + rng.integers(-1, 2)] = True
                if rng.random() < 0.7:
                    detections.append((cls if rng.random() < 0.8 else int(rng.integers(3)), rng.random(), own))
    return objects, detections


def put(root, images):
    for image, (objects, detections) in enumerate(images):
        numbers = sum(number * mask for number, (_, _, mask) in enumerate(objects, start=1)).astype(np.uint8)
        put_image(root, f"i{image}", numbers, [cls for cls, _, _ in objects], detections)


def test_equals_pycocotools_where_no_detection_overlaps_two_objects(root):
    rng = np.random.default_rng(0)
    images = [cells(rng) for _ in range(12)]
    put(root, images)
    dataset = DataSet(root)
    ap = class_ap(collect(arguments(root), dataset, dataset.split("val")))
    for cls in range(3):
        assert np.allclose(ap[cls], coco_ap(images, cls, THRESHOLDS), rtol=0, atol=1e-9)
    assert 0.05 < ap[:3, 3].min() < ap[:3, 0].max() < 0.95 and np.isnan(ap[3]).all()


def span(start, end):
    mask = np.zeros((4, 40), bool)
    mask[:, start:end] = True
    return mask


def test_void_pixels_count_neither_for_nor_against_unless_they_are_background(root):
    numbers = span(0, 10).astype(np.uint8)
    detections = [(0, 0.5, span(0, 20)), (0, 0.9, span(20, 25)), (1, 0.9, span(30, 35))]
    put_image(root, "a", numbers, [0], detections, ignored=span(10, 35))
    report = score(root)
    assert report["class_ap"]["disc"]["0.75"] == 100  # 10 more columns are ignored, and so are the others as a whole
    assert report["detections"] == 1
    strict = score(root, "--void", "background")
    assert strict["class_ap"]["disc"] == {"0.25": 50, "0.5": 50, "0.7": 0, "0.75": 0} and strict["detections"] == 3
    write_indexed(root / "InstanceMasks/a.png", numbers)  # SegmentationClass alone says 255, but for the object
    assert score(root) == report and score(root, "--void", "background") == strict


@pytest.mark.parametrize("processes", [3, 20])
def test_any_number_of_processes_finds_the_same(root, monkeypatch, processes):
    put_random_images(root)
    dataset, args = DataSet(root), arguments(root)
    items = dataset.split("val")
    expected, shares = collect(args, dataset, items), []
    monkeypatch.setattr(distributed, "WORLD_SIZE", processes)

    def gather(value):
        shares.append(value)
        return [value]

    for rank in range(processes):
        monkeypatch.setattr(distributed, "RANK", rank)
        monkeypatch.setattr(distributed, "gather", gather)
        collect(args, dataset, items)
    monkeypatch.setattr(distributed, "gather", lambda _: shares)
    found = collect(args, dataset, items)
    assert all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))
    assert len(set(expected.scores)) < len(expected.scores)  # or else the order would be no question
