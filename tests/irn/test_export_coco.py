"""irn.export_coco: pycocotools finds the instances as they are, and torchvision's Mask R-CNN learns from them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from pycocotools.coco import COCO
from scipy import ndimage
from torch import nn
from torchvision.models.detection import MaskRCNN, faster_rcnn, mask_rcnn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from common.files.dataset import DataSet
from common.files.images import read_indexed
from common.files.instances import write_instances

# pycocotools gives NumPy 2 an array in the manner of NumPy 1
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
PAGE = (Path(__file__).resolve().parents[2] / "docs/irn.md").read_text()


def blob(size, seed):
    """A mask with holes and several parts, some of them single pixels, away from the image's top and left."""
    rng = np.random.default_rng(seed)
    mask = (ndimage.gaussian_filter(rng.random(size), 2) > 0.5) ^ (rng.random(size) < 0.03)
    mask[:5] = mask[:, :3] = False
    return mask


@pytest.fixture
def instances(tiny_data, tmp_path):
    """A folder of instances of the tiny data; b_simple has none, and d_complex one of score 0."""
    sizes = {item.id: DataSet(tiny_data).image_size(item.id) for item in DataSet(tiny_data).split("train")}
    for place, (id, size) in enumerate(sizes.items()):
        first, second = blob(size, place), blob(size, place + 10)
        masks, classes, scores = np.stack([first, second & ~first]), [2, 0], [0.25, 0.75 if id < "d" else 0]
        kept = slice(0, 0) if id == "b_simple" else slice(None)
        (tmp_path / "instances").mkdir(exist_ok=True)
        write_instances(tmp_path / "instances", id, masks[kept], classes[kept], scores[kept])
    return tmp_path / "instances"


@pytest.fixture
def export(here, tiny_data, instances):
    """`export(*more)` runs the command and returns the path of the JSON."""
    own = ("--data", tiny_data, "--split", "train", "--instances", instances, "--workers", 1)
    return lambda *more: here("irn.export_coco", "coco", *own, *more) / "instances_train.json"


@pytest.mark.parametrize("segmentation", ["rle", "polygon"])
def test_pycocotools_finds_each_instance(export, tiny_data, instances, segmentation):
    coco, dataset = COCO(export("--segmentation", segmentation, "--min-score", 0)), DataSet(tiny_data)
    assert {number: each["name"] for number, each in coco.cats.items()} == {1: "disc", 2: "square", 3: "bar"}
    assert len(coco.anns) == 6
    for number, item in enumerate(dataset.split("train"), start=1):
        image = coco.imgs[number]
        assert (image["height"], image["width"]) == dataset.image_size(item.id)
        assert (tiny_data / "JPEGImages" / image["file_name"]) == dataset.image_path(item.id)
        numbers = read_indexed(instances / f"{item.id}.png")
        entries = json.loads((instances / f"{item.id}.json").read_text())
        found = coco.loadAnns(coco.getAnnIds(imgIds=number))
        assert [(each["image_id"], each["category_id"] - 1, each["score"]) for each in found] == [
            (number, entry["class"], entry["score"]) for entry in entries
        ]
        for entry, each in zip(entries, found, strict=True):
            mask = numbers == entry["number"]
            rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
            left, top, width, height = each["bbox"]
            assert (left, top, left + width, top + height) == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            assert each["area"] == mask.sum() and each["iscrowd"] == 0
            expected = ndimage.binary_fill_holes(mask) if segmentation == "polygon" else mask
            np.testing.assert_array_equal(coco.annToMask(each), expected)


def test_weak_instances_are_left_out_and_images_stay(export):
    for least, count in ((1e-5, 5), (0.25, 5), (0.3, 2)):
        content = json.loads(export("--min-score", least).read_text())
        assert [each["id"] for each in content["annotations"]] == list(range(1, count + 1))
        assert all(each["score"] >= least for each in content["annotations"]) and len(content["images"]) == 4
    assert json.loads(export().read_text()) == json.loads(export("--min-score", 1e-5).read_text())


def test_annotations_are_results_too(export):
    """The scores let pycocotools hold them against ground truth."""
    coco = COCO(export())
    assert coco.loadRes(coco.dataset["annotations"]).anns.keys() == coco.anns.keys()


def tiny_mask_rcnn(num_classes, min_size, max_size):
    """Mask R-CNN of a few channels in the place of maskrcnn_resnet50_fpn."""
    assert (num_classes, min_size, max_size) == (4, 512, 800)
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 8, 16, 16), nn.ReLU())
    backbone.out_channels = 8
    return MaskRCNN(
        backbone,
        min_size=64,
        max_size=96,
        rpn_anchor_generator=AnchorGenerator(((16, 48),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
        box_head=faster_rcnn.TwoMLPHead(8 * 3 * 3, 16),
        box_predictor=faster_rcnn.FastRCNNPredictor(16, num_classes),
        mask_roi_pool=MultiScaleRoIAlign(["0"], 4, 2),
        mask_head=mask_rcnn.MaskRCNNHeads(8, (8,), 1),
        mask_predictor=mask_rcnn.MaskRCNNPredictor(8, 8, num_classes),
    )


@pytest.mark.parametrize("segmentation", ["rle", "polygon"])
def test_mask_rcnn_takes_a_step(export, tiny_data, tmp_path, monkeypatch, segmentation):
    """By the code of docs/irn.md, which is to take only one."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/voc12").symlink_to(tiny_data)
    (tmp_path / "runs/voc12").mkdir(parents=True)
    (tmp_path / "runs/voc12/coco").symlink_to(export("--segmentation", segmentation).parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torchvision.models.detection, "maskrcnn_resnet50_fpn", tiny_mask_rcnn)
    code = re.search(r'```python\n("""Train Mask.*?)```', PAGE, re.DOTALL)[1]
    assert "STEPS = 18_000\n" in code
    names = {}
    exec(code.replace("STEPS = 18_000\n", "STEPS = 1\n"), names)  # noqa: S102
    losses, before = names["losses"], tiny_mask_rcnn(4, 512, 800).state_dict()
    assert losses.keys() >= {"loss_classifier", "loss_mask"} and all(each.isfinite() for each in losses.values())
    after = torch.load("runs/voc12/maskrcnn.pth", weights_only=True)
    assert not any(torch.equal(before[name], after[name]) for name in before if name.endswith("weight"))
    assert sorted({label for each in names["targets"] for label in each["labels"].tolist()}) == [1, 3]
