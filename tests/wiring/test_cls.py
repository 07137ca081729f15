"""cls.train, cls.train_iam and cls.infer from end to end against the plain loops: every weight and every map."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.wiring import plain
from tests.wiring.conftest import assert_trained_alike, snapshot, weights
from tests.wiring.networks import Classifier, vgg

BACKBONE = {"channels": [4, 4, 8, 8, 8], "depths": [1, 1, 2, 1, 1]}
SIZES = ("--channels", *BACKBONE["channels"], "--depths", *BACKBONE["depths"], "--nodes", 3, "--input-size", 40)
# three batches an epoch, the last of one image; warm-up, two decays and the last epoch are different epochs
SCHEDULE = {"size": 40, "epochs": 4, "batch": 3, "lr": 0.003, "weight_decay": 0.02, "decay_epochs": [1, 2]}
COMMAND = (*SIZES, "--epochs", 4, "--batch-size", 3, "--lr", 0.003, "--weight-decay", 0.02, "--decay-epochs", 1, 2)
COMMAND += ("--workers", 0, "--device", "cpu")
SEED = 65  # with it the classes' probabilities lie on both sides of each of the thresholds below


def start(seed, backbone=None, init=None, **options):
    """The plain network with its initial weights, and those."""
    torch.manual_seed(seed)
    model = Classifier(3, BACKBONE | (backbone or {}), nodes=3, **options)
    if init:
        model.load_state_dict(init, strict=False)
    return model, snapshot(model)


def backbone_weights(batch_norm=False):
    """Weights with which maps depend on the image, as those of ImageNet do."""
    torch.manual_seed(0)
    features = vgg(**BACKBONE, batch_norm=batch_norm)
    for layer in features:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
            layer.weight.data *= 2.2
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
    return {f"features.{name}": tensor for name, tensor in features.state_dict().items()}


def read_maps(folder):
    """{(id, class): uint8 (h, w)} of the maps in a folder."""
    named = {path.stem.rpartition("_"): np.array(Image.open(path)) for path in folder.glob("*.png")}
    return {(id, int(cls)): map_ for (id, _, cls), map_ in named.items()}


def is_same(found, expected):
    """The same maps; one level in a hundred pixels may be rounded to its neighbour."""
    if found.keys() != expected.keys():
        return False
    differences = np.concatenate([np.abs(found[key].astype(int) - expected[key]).ravel() for key in expected])
    return differences.max() <= 1 and differences.mean() <= 0.01


@pytest.fixture(scope="module")
def init(tmp_path_factory):
    """A file of backbone weights, as ImageNet's VGG16 with a classifier; only the backbone may be taken from it."""
    path = tmp_path_factory.mktemp("init") / "vgg16.pth"
    others = {"classifier.0.weight": torch.ones(2, 2), "extra_convs_3.1.bias": torch.ones(3)}
    torch.save(backbone_weights() | others, path)
    return path


@pytest.fixture(scope="module")
def classifier(stage, init, tmp_path_factory):
    """The folder of cls.train."""
    out = tmp_path_factory.mktemp("wiring") / "cls"
    return stage("cls.train", *COMMAND, "--seed", SEED, "--init", init, "--no-amp", "--out", out)


def test_classifier(classifier, data):
    model, initial = start(SEED, init=backbone_weights())
    seen = plain.train_classification(model, data, plain.classification_loss, seed=SEED, **SCHEDULE)
    assert_trained_alike(weights(classifier), model.state_dict(), initial)
    found = read_maps(classifier / "attention")
    assert is_same(found, plain.accumulate(seen, 4))
    others = [{"confidence": share} for share in (0.05, 0.09, 0.11, 0.2, 0.5)] + [{"warm_up": 0}, {"warm_up": 2}]
    for other in others:  # the data tell them apart
        assert not is_same(found, plain.accumulate(seen, 4, **other)), other


VARIANTS = {
    "random start": (["--no-amp"], {}, {}),
    "the hardware's precision": ([], {}, {}),
    "bfloat16, no GloRe": (["--amp", "--no-glore"], {"glore": False}, {}),
    "local unit, batch norm, stride 4": (
        ["--no-amp", "--local-unit", "--batch-norm", "--output-stride", 4],
        {"graph": False},
        {"batch_norm": True, "output_stride": 4},
    ),
}


def fast_in_bfloat16():
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and bool({"avx512_bf16", "amx_bf16"} & set(cpu.read_text().split()))


@pytest.mark.parametrize("name", VARIANTS)
def test_classifier_variants(stage, data, tmp_path, name):
    arguments, options, backbone = VARIANTS[name]
    init = None if name == "random start" else backbone_weights(backbone.get("batch_norm", False))
    if init:
        torch.save({"arch": backbone | BACKBONE, "state_dict": init}, tmp_path / "toy.pth")
        arguments = [*arguments, "--init", tmp_path / "toy.pth"]
    out = stage("cls.train", *COMMAND, "--seed", 7, *arguments, "--out", tmp_path / "cls")
    model, initial = start(7, backbone, init, **options)
    amp = "--amp" in arguments or ("--no-amp" not in arguments and fast_in_bfloat16())
    seen = plain.train_classification(model, data, plain.classification_loss, seed=7, amp=amp, **SCHEDULE)
    assert_trained_alike(weights(out), model.state_dict(), initial)
    assert is_same(read_maps(out / "attention"), plain.accumulate(seen, 4))


def test_a_map_that_was_never_stored_is_in_the_last_epoch(stage, data, init, tmp_path):
    """With this seed one class of an image stays improbable."""
    options = ("--seed", 56, "--no-amp", "--init", init)
    out = stage("cls.train", *COMMAND, *options, "--out", tmp_path / "cls")
    model, _ = start(56, init=backbone_weights())
    seen = plain.train_classification(model, data, plain.classification_loss, seed=56, **SCHEDULE)
    found = read_maps(out / "attention")
    assert is_same(found, plain.accumulate(seen, 4)) and len(found) == 12
    assert len(plain.accumulate(seen, 4, fill_up=False)) == 11


def test_integral_attention(classifier, stage, data, init, tmp_path):
    """A map that is missing is a class without attention."""
    attention = tmp_path / "attention"
    shutil.copytree(classifier / "attention", attention)
    (attention / "bridge_1.png").unlink()
    options = (*COMMAND, "--seed", 5, "--init", init, "--no-amp", "--attention", attention)
    out = stage("cls.train_iam", *options, "--out", tmp_path / "iam")
    model, initial = start(5, init=backbone_weights(), iam=True)
    plain.train_classification(model, data, plain.attention_loss(attention), seed=5, **SCHEDULE)
    assert_trained_alike(weights(out), model.state_dict(), initial)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_inference(classifier, stage, data, tmp_path, batch_size):
    """Neither jitter nor batch statistics; maps of the image's own classes, truncated."""
    options = ("--input-size", 40, "--no-amp", "--workers", 0, "--device", "cpu", "--batch-size", batch_size)
    out = stage("cls.infer", *options, "--weights", classifier / "weights.pth", "--out", tmp_path / "cam")
    model, _ = start(SEED)
    model.load_state_dict(weights(classifier))
    expected = plain.class_maps(model, data, 40)
    assert len(expected) == 12 and is_same(read_maps(out), expected)
    assert not is_same(read_maps(out), plain.class_maps(model, data, 40, np.rint))


ARCH = BACKBONE | {"classes": 3, "batch_norm": False, "output_stride": 8}
ARCH |= {"nodes": 3, "glore": True, "local_unit": False}


@pytest.mark.parametrize("network, amp", [("iam", False), ("classifier", False), ("classifier", True)])
def test_inference_says_the_file(stage, data, tmp_path, network, amp):
    """A file as it has always been written: which network it holds, and of which size."""
    model, _ = start(0, init=backbone_weights(), iam=network == "iam")
    torch.save({"arch": ARCH | {"network": network}, "state_dict": model.state_dict()}, tmp_path / "weights.pth")
    precision = ("--amp", "--batch-size", 1) if amp else ("--no-amp",)
    options = (*precision, "--weights", tmp_path / "weights.pth", "--input-size", 40, "--workers", 0, "--device", "cpu")
    out = stage("cls.infer", *options, "--out", tmp_path / "maps", split="val")
    assert is_same(read_maps(out), plain.class_maps(model, data, 40, split="val", amp=amp))
