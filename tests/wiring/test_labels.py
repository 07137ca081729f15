"""The label stages and the scores from folder to folder: which image, which class, which threshold goes where."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from pseudo.background import extract_background_plain
from pseudo.pom import mine_potential_objects_plain
from tests.wiring import plain_labels as plain
from tests.wiring.conftest import write_label, write_labels
from tests.wiring.plain import read_list

NAMES = ["disc", "square", "bar"]


@pytest.fixture(scope="module")
def folders(data, tmp_path_factory):
    """A data set whose saliency is zero in most places, with maps, labels and predictions of the training images.

    The maps are smaller than the images; attic has no map of class 2, meadow (one class) none at all.
    """
    root, rng = tmp_path_factory.mktemp("labels"), np.random.default_rng(8)
    shutil.copytree(data, root / "data")
    sizes = {id: plain.read(data / "saliency" / f"{id}.png").shape for id, _ in read_list(data)}
    for id, (height, width) in sizes.items():
        saliency = np.zeros((height, width), np.uint8)
        saliency[:12, :9] = cv2.resize(rng.integers(0, 256, (3, 3), dtype=np.uint8), (9, 12))
        Image.fromarray(saliency).save(root / "data" / "saliency" / f"{id}.png")
    for name in ("oa_cam", "cam"):
        (root / name).mkdir()
        for id, classes in read_list(data):
            for cls in classes:
                map_ = rng.integers(0, 256, (6, 6), dtype=np.uint8)
                map_[:3, :3] = rng.choice([0, 40, 250, 255], (3, 3))
                if (id, cls) not in [("attic", 2), ("meadow", 2)]:
                    Image.fromarray(map_).save(root / name / f"{id}_{cls}.png")
                Image.fromarray(map_).save(root / name / f"{id}_{(cls + 1) % 3}_old.png")  # no map
    write_labels(root / "label", sizes, rng)
    for id, side in (("attic", 1), ("bridge", -1)):  # objects on one side: masking leaves something out on the other
        label = plain.read(root / "label" / f"{id}.png")
        label[:, ::side][:, 14:] = 0
        write_label(root / "label" / f"{id}.png", label)
    (root / "pred").mkdir()
    for id, (height, width) in sizes.items():
        prediction = np.zeros((height, width), np.uint8)
        prediction[2 : 12 + height // 8, 1 : 8 + width // 8] = 1 + int(rng.integers(3))
        write_label(root / "pred" / f"{id}.png", prediction[:, :: -1 if id == "bridge" else 1])
    write_label(root / "pred" / "river.png", np.zeros(sizes["river"], np.uint8))
    label = np.zeros(sizes["quarry"], np.uint8)
    label[3, 3:5] = 2  # of two pixels, no more
    write_label(root / "label" / "quarry.png", label)
    write_label(root / "pred" / "quarry.png", np.zeros_like(label))
    return root


def assert_labels(out, expected):
    """The folder holds these labels, as indexed PNGs, and no others."""
    assert {path.name for path in out.glob("*.png")} == {f"{id}.png" for id in expected}
    for id, label in expected.items():
        assert Image.open(out / f"{id}.png").mode == "P"
        np.testing.assert_array_equal(plain.read(out / f"{id}.png"), label, err_msg=id)


def differ(some, other):
    return any((some[id] != other[id]).any() for id in some)


def saliency_of(root, id):
    return plain.read(root / "saliency" / f"{id}.png")


THRESHOLDS = {"score": 0.6, "conflict": 0.5, "attention": 0.4, "background": 120}
OPTIONS = {name: f"--{name}-threshold" for name in THRESHOLDS} | {"background": "--saliency-threshold"}


@pytest.mark.parametrize("own", [None, *THRESHOLDS])
def test_background(stage, data, folders, tmp_path, own):
    """From the data set's saliency; each threshold is in its place, and none changes nothing."""

    def expected(**thresholds):
        labels = {}
        for id, classes in read_list(data):
            saliency = saliency_of(data, id)
            oa_cams = plain.read_maps(folders / "oa_cam", id, classes, saliency.shape)
            labels[id] = extract_background_plain(saliency, oa_cams, **thresholds)
        return labels

    arguments = (OPTIONS[own], THRESHOLDS[own]) if own else ()
    arguments = (*arguments, "--oa-cam", folders / "oa_cam", "--workers", 1)
    out = stage("pseudo.background", *arguments, "--out", tmp_path / "out")
    thresholds = {own: THRESHOLDS[own]} if own else {}
    assert_labels(out, expected(**thresholds))
    assert not own or differ(expected(**thresholds), expected())


@pytest.mark.parametrize("t_bg", [None, 0.7])
def test_mining(stage, data, folders, tmp_path, t_bg):
    def expected(**threshold):
        labels = {}
        for id, classes in read_list(data):
            label = plain.read(folders / "label" / f"{id}.png")
            label[label == 3] = 0  # so that a class is in its image, but not in its label
            write_label(tmp_path / "label" / f"{id}.png", label)
            cams = plain.read_maps(folders / "cam", id, classes, label.shape)
            labels[id] = mine_potential_objects_plain(label, cams, **threshold)
        return labels

    (tmp_path / "label").mkdir()
    labels = expected(**({"background_threshold": t_bg} if t_bg else {}))
    assert not t_bg or differ(labels, expected())
    arguments = ("--background-threshold", t_bg) if t_bg else ()
    inputs = ("--label", tmp_path / "label", "--cam", folders / "cam", "--workers", 1)
    assert_labels(stage("pseudo.pom", *arguments, *inputs, "--out", tmp_path / "out"), labels)


VARIANTS = {
    (): {},
    ("--kernel-size", 5): {"kernel": 5},
    ("--no-expansion",): {"expand": False},
    ("--no-masking",): {"mask": False},
    ("--no-dilation",): {"dilate": False},
    ("--no-saliency-mask", "--kernel-size", 4): {"saliency": None, "kernel": 4},
    ("--salient-above", 128): {"above": 128},
    ("--simple-from", "label"): {"source": "label"},
    ("--all-images",): {"simple": True},
    ("--all-images", "--kernel-size", 3, "--no-expansion"): {"simple": True, "kernel": 3, "expand": False},
}


def masked(root, simple=False, source="pred", **options):
    """Simple images keep their prediction, almost empty ones too, or their pseudo label."""
    labels = {}
    for id, classes in read_list(root / "data"):
        labels[id] = plain.read(root / source / f"{id}.png")
        if len(classes) > 1 or simple:
            saliency = {"saliency": saliency_of(root / "data", id)} | options
            prediction = plain.read(root / "pred" / f"{id}.png")
            labels[id] = plain.masking(prediction, plain.read(root / "label" / f"{id}.png"), **saliency)
    return labels


@pytest.mark.parametrize("arguments", VARIANTS)
def test_non_salient_region_masking(stage, folders, tmp_path, arguments):
    labels = masked(folders, **VARIANTS[arguments])
    inputs = ("--data", folders / "data", "--pred", folders / "pred", "--label", folders / "label", "--workers", 1)
    assert_labels(stage("pseudo.nsrm", *arguments, *inputs, "--out", tmp_path / "out"), labels)
    assert (plain.read(folders / "pred" / "river.png") == 0).all()  # simple, and less than 1 % of it is an object
    assert not arguments or differ(labels, masked(folders))


def test_agreement(stage, folders, tmp_path):
    """In bridge they agree on the background alone: such a label is almost empty."""
    shutil.copytree(folders / "pred", tmp_path / "pred")
    (tmp_path / "pred/bridge.png").unlink()
    write_label(tmp_path / "pred/bridge.png", np.zeros_like(plain.read(folders / "label/bridge.png")))
    expected = {}
    for id, _ in read_list(folders / "data"):
        pred, label = (plain.read(folder / f"{id}.png") for folder in (tmp_path / "pred", folders / "label"))
        expected[id] = plain.one_percent(np.where(pred == label, label, np.uint8(255)))
    inputs = ("--data", folders / "data", "--pred", tmp_path / "pred", "--label", folders / "label", "--workers", 1)
    assert_labels(stage("pseudo.agreement", *inputs, "--out", tmp_path / "out"), expected)
    assert {label.min() for label in expected.values()} == {0, 255}


def test_data_of_masking_tell_defaults_apart(folders):
    for other in ({"kernel": 29}, {"kernel": 31}, {"saliency": None}):
        assert differ(masked(folders), masked(folders, **other)), other


def test_what_may_be_missing(stage, data, folders, tmp_path):
    """A simple image needs neither pseudo label nor saliency; a complex one needs both, an image its prediction."""
    root = tmp_path / "some"
    shutil.copytree(folders, root)
    for id, classes in read_list(data):
        if len(classes) == 1:
            (root / "label" / f"{id}.png").unlink()
            (root / "data" / "saliency" / f"{id}.png").unlink()
    inputs = ("--data", root / "data", "--pred", root / "pred", "--label", root / "label", "--workers", 1)
    assert_labels(stage("pseudo.nsrm", *inputs, "--out", tmp_path / "out"), masked(folders))
    for folder, id in (("label", "attic"), ("pred", "river")):
        (root / folder / f"{id}.png").rename(tmp_path / "away.png")
        with pytest.raises(Exception, match=f"{folder}/{id}.png: no such file"):
            stage("pseudo.nsrm", *inputs, "--out", tmp_path / folder)
        (tmp_path / "away.png").rename(root / folder / f"{id}.png")
    with pytest.raises(Exception, match="expected maps named"):
        stage("pseudo.background", "--oa-cam", root / "pred", "--workers", 1, "--out", tmp_path / "maps")


def evaluated(stage, tmp_path, *arguments, split="train"):
    out = stage("evaluate.labels", *arguments, "--workers", 1, "--out", tmp_path / "scores", split=split)
    return json.loads((out / "scores.json").read_text())


def truths_of(data, kind=None, split="train"):
    """{id: ground truth} of the simple, the complex or all images."""
    chosen = [id for id, own in read_list(data, split) if kind is None or (len(own) == 1) == (kind == "simple")]
    return {id: plain.read(data / "SegmentationClass" / f"{id}.png") for id in chosen}


def test_scores_of_labels(stage, data, folders, tmp_path):
    """Of all images, of those with one class, and of the others."""
    report = evaluated(stage, tmp_path, "--pred", folders / "label")

    def expected(kind):
        truths = truths_of(data, kind)
        labels = [plain.read(folders / "label" / f"{id}.png") for id in truths]
        return {"images": len(truths)} | plain.scores(list(truths.values()), labels, NAMES)

    parts = {kind: expected(kind) for kind in ("simple", "complex")}
    assert report == expected(None) | {"split": "train"} | parts
    assert [report[kind]["images"] for kind in ("simple", "complex")] == [3, 4]


def test_scores_of_maps(stage, data, folders, tmp_path):
    """The threshold that is best on all images counts for the simple and the complex ones, too; beside it stand the
    fixed one and all others."""
    thresholds = [0.9, 0.3, 0.5, 0.7]
    report = evaluated(stage, tmp_path, "--pred", folders / "cam", "--map-thresholds", *thresholds)
    classes = dict(read_list(data))

    def expected(kind, threshold):
        truths = truths_of(data, kind)
        maps = {id: plain.read_maps(folders / "cam", id, classes[id], truth.shape) for id, truth in truths.items()}
        labels = [plain.from_maps(maps[id], truth.shape, threshold) for id, truth in truths.items()]
        return {"images": len(truths)} | plain.scores(list(truths.values()), labels, NAMES)

    def at(threshold):
        parts = {kind: expected(kind, threshold) for kind in ("simple", "complex")}
        return {name: score for name, score in expected(None, threshold).items() if name != "images"} | parts

    best = max(thresholds, key=lambda threshold: expected(None, threshold)["mean_iou"])
    fixed, others = report.pop("fixed"), report.pop("thresholds")
    origin = {"images": 7, "split": "train", "threshold": best, "chosen": "best on this ground truth"}
    assert report == at(best) | origin
    assert fixed == at(0.3) | {"threshold": 0.3, "from": "the method"}
    assert others == [at(threshold) | {"threshold": threshold} for threshold in sorted(thresholds)]


def test_scores_where_the_list_has_no_classes(stage, data, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(data, root)
    (root / "lists" / "test.txt").write_text("spire\norchard\n")
    report = evaluated(stage, tmp_path, "--data", root, "--pred", root / "SegmentationClass", split="test")
    assert report["images"] == 2 and report["mean_iou"] == 100 and not {"simple", "complex"} & report.keys()
