"""Every stage, one after the other, on images in the real format: a PASCAL VOC devkit with a handful of photographs."""

import json

import numpy as np
import pytest
import torch

from common.files.images import read_grey, read_indexed
from tests.outputs import weights

TRUNK = ("--channels", 4, 4, 8, 8, 8, "--depths", 1, 1, 1, 1, 1)
HERE = ("--workers", 0, "--device", "cpu")
SMALL = {
    "vgg16": (*TRUNK, "--fc-channels", 8, "--crop-size", 33, "--rates", 1, 2),
    "resnet101": ("--blocks", 1, 1, 1, 1, "--width", 4, "--crop-size", 33, "--rates", 1, 2),
}


@pytest.fixture
def stage(in_process, capsys):
    def run(module, *args, stdout=""):
        capsys.readouterr()
        in_process(module, *args)
        output = capsys.readouterr().out
        assert stdout in output
        return output

    return run


def maps_to_pseudo_labels(stage, train, run):
    """The classification stage and the first labels, from <run>/cls to <run>/label_pseudo."""
    cls = (*train, *TRUNK, "--epochs", 3, "--batch-size", 2, "--input-size", 32, "--nodes", 2, *HERE)
    stage("cls.train", *cls, "--out", run / "cls", stdout="2 images, 3 epochs")
    stage("cls.train_iam", *cls, "--attention", run / "cls" / "attention", "--out", run / "iam")
    for model, maps in (("cls", "cam"), ("iam", "oa_cam")):
        weights = ("--weights", run / model / "weights.pth", "--input-size", 32, "--workers", 0)
        stage("cls.infer", *train, *weights, "--out", run / maps)
    stage("pseudo.background", *train, "--oa-cam", run / "oa_cam", "--out", run / "label_initial")
    stage("pseudo.pom", *train, "--label", run / "label_initial", "--cam", run / "cam", "--out", run / "label_pseudo")


def two_rounds(stage, data, train, run, seg):
    """Both rounds of segmentation and the score of the second, from <run>/label_pseudo to <run>/scores."""
    predict = ("--crf", "--workers", 0, "--backbone", seg[1], "--weights")
    stage("seg.train", *train, *seg, "--labels", run / "label_pseudo", "--out", run / "seg1", stdout="3 iterations")
    first = (*train, *predict, run / "seg1" / "weights.pth", "--out", run / "pred1")
    stage("seg.predict", *first, stdout="2 images with CRF")
    masked = ("--pred", run / "pred1", "--label", run / "label_pseudo", "--out", run / "label_masked")
    stage("pseudo.nsrm", *train, *masked)
    stage("seg.train", *train, *seg, "--labels", run / "label_masked", "--out", run / "seg2", stdout="3 iterations")
    val = ("--data", data, "--split", "val")
    second = (*val, *predict, run / "seg2" / "weights.pth", "--out", run / "pred2_val")
    stage("seg.predict", *second)
    stage("evaluate.labels", *val, "--pred", run / "pred2_val", "--out", run / "scores")


@pytest.mark.parametrize("backbone, convention", [("vgg16", "torchvision"), ("resnet101", "caffe")])
def test_all_stages_on_a_devkit(stage, tiny_devkit, tmp_path, backbone, convention):
    data, run = tmp_path / "data", tmp_path / "run"
    stage("data.prepare_voc12", "--devkit", tiny_devkit, "--saliency", tmp_path / "saliency_aug", "--out", data)
    train = ("--data", data, "--split", "train")
    maps_to_pseudo_labels(stage, train, run)
    seg = ("--backbone", backbone, "--convention", convention, *SMALL[backbone])
    seg = (*seg, "--iterations", 3, "--batch-size", 2, *HERE)
    two_rounds(stage, data, train, run, seg)

    for maps in ("cam", "oa_cam"):
        found = {path.name: read_grey(path).shape for path in (run / maps).glob("*.png")}
        assert found == {f"2007_00000{name}.png": (4, 4) for name in ("1_11", "2_14", "2_8")}
    for folder in ("label_initial", "label_pseudo", "pred1", "label_masked"):
        label = read_indexed(run / folder / "2007_000002.png")
        assert label.shape == (40, 30) and set(np.unique(label)) <= {*range(21), 255}
    assert set(json.loads((run / "scores" / "scores.json").read_text())) >= {"mean_iou", "class_iou", "false_negative"}
    arch = torch.load(run / "seg2" / "weights.pth", weights_only=True)["arch"]
    assert arch["backbone"] == backbone and arch["convention"] == convention
    assert any((run / "seg2" / "tensorboard").iterdir())
    again = stage("seg.train", *train, *seg, "--labels", run / "label_masked", "--out", run / "seg2")
    assert "nothing to do" in again


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def train_command(name, data):
    common = ("--data", data, "--split", "train", *TRUNK, "--batch-size", 2, "--device", "cpu", "--save-every", 2)
    if name == "cls.train":
        return (*common, "--epochs", 3, "--input-size", 32, "--nodes", 2)
    sizes = ("--backbone", "vgg16", "--fc-channels", 8, "--crop-size", 33, "--rates", 1, 2)
    return (*common, *sizes, "--iterations", 6, "--labels", data / "SegmentationClass")


@pytest.mark.parametrize("name", ["cls.train", "seg.train"])
def test_interrupted_training_ends_the_same(name, tiny_data, tmp_path, monkeypatch):
    """Stopped between two checkpoints and started again: bit for bit what an undisturbed run gives."""
    import importlib

    from common.training import loop as training

    module = importlib.import_module(name)

    def run(folder, workers):
        args = module.parser().parse_args(
            list(map(str, (*train_command(name, tiny_data), "--out", tmp_path / folder, "--workers", workers)))
        )
        args.out.mkdir(exist_ok=True)
        module.run(args)

    class Killed(BaseException):
        pass

    original, calls = training.Report, []

    def dies_in_the_fifth_step(*args):
        calls.append(args)
        if len(calls) == 5:
            raise Killed
        return original(*args)

    run("whole", workers=0)
    monkeypatch.setattr(training, "Report", dies_in_the_fifth_step)
    with pytest.raises(Killed):
        run("parts", workers=0)
    assert (tmp_path / "parts" / "training.pth").exists() and not (tmp_path / "parts" / "weights.pth").exists()
    monkeypatch.setattr(training, "Report", original)
    run("parts", workers=1)
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    if name == "cls.train":
        whole, parts = (
            {p.name: p.read_bytes() for p in (tmp_path / f / "attention").iterdir()} for f in ("whole", "parts")
        )
        assert whole == parts and len(whole) == 7


def test_the_number_of_processes_changes_no_byte(in_process, run_command, tiny_data, tmp_path):
    def with_processes(*words):
        result = run_command(*words)
        assert result.returncode == 0, result.stderr

    outputs = []
    for folder, count, stage in (("none", 0, in_process), ("some", 2, with_processes)):
        run = tmp_path / folder
        processes = ("--workers", count)
        for name in ("cls.train", "seg.train"):
            stage(name, *train_command(name, tiny_data), *processes, "--out", run / name)
        images = ("--data", tiny_data, "--split", "train", *processes)
        stage(
            "cls.infer", *images, "--weights", run / "cls.train/weights.pth", "--input-size", 32, "--out", run / "cam"
        )
        stage("seg.predict", *images, "--crf", "--weights", run / "seg.train/weights.pth", "--out", run / "pred")
        paths = [path for kind in ("*.png", "*.pth") for path in run.rglob(kind)]
        outputs.append({str(path.relative_to(run)): path.read_bytes() for path in paths})
    assert len(outputs[0]) == 2 + 7 + 7 + 4 and outputs[0] == outputs[1]
