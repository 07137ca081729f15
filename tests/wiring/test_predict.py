"""seg.predict from end to end against plain inference: every pixel of every label."""

import numpy as np
import pytest
import torch
from PIL import Image

from common.crf.dense import dense_crf
from tests.wiring import plain
from tests.wiring.conftest import weights
from tests.wiring.networks import DeepLabResNet, DeepLabVGG

HERE = ("--no-amp", "--workers", 0, "--device", "cpu")
TRUNK = {"channels": [4, 4, 8, 8, 8], "depths": [1, 1, 1, 1, 1]}
VGG = ("--backbone", "vgg16", "--channels", *TRUNK["channels"], "--depths", *TRUNK["depths"])


def read_labels(folder):
    return {path.stem: np.array(Image.open(path)) for path in folder.glob("*.png")}


def difference(found, expected):
    """The share of pixels that differ, over all images."""
    assert found.keys() == expected.keys() and all(found[id].shape == expected[id].shape for id in expected)
    return np.mean(np.concatenate([(found[id] != expected[id]).ravel() for id in expected]))


@torch.no_grad()
def balance(network, bias, data, convention="torchvision"):
    """Makes all classes as likely, through the bias of one layer that gives logits."""
    images = [plain.network_input(plain.photograph(data, id), convention) for id, _ in plain.read_list(data)]
    means = [network.eval()(plain.as_batch([image])).mean((0, 2, 3)) for image in images]
    bias -= torch.stack(means).mean(0)


@pytest.fixture(scope="module")
def vgg(stage, data, tmp_path_factory):
    """(weights.pth of seg.train, trained at scales 1 and 0.6, the plain network with the same weights).

    The weights that give logits are enlarged, so that all classes occur, and dropout would show.
    """
    sizes = (*VGG, "--fc-channels", 8, "--rates", 1, 2, "--crop-size", 33, "--iterations", 1, "--batch-size", 1)
    out = tmp_path_factory.mktemp("predict") / "seg"
    stage("seg.train", *sizes, *HERE, "--pyramid", 0.6, "--labels", data / "labels", "--out", out)
    content = torch.load(out / "weights.pth", weights_only=True)
    torch.manual_seed(1)
    network = DeepLabVGG(3, TRUNK, (1, 2), 8)
    for branch in (network.aspp.c0, network.aspp.c1):
        branch.fc8.weight.data *= 60
    balance(network, network.aspp.c0.fc8.bias, data)
    names = {name.removeprefix("base."): name for name in content["state_dict"]}
    state = {names[name]: tensor for name, tensor in network.state_dict().items()}
    torch.save(content | {"state_dict": state}, out / "weights.pth")
    return out / "weights.pth", network


def test_predictions(stage, data, vgg, tmp_path):
    """At the scales that the file says."""
    file, network = vgg
    found = read_labels(stage("seg.predict", *HERE, "--weights", file, "--out", tmp_path / "pred"))
    assert difference(found, plain.predictions(network, data, [0.6])) < 1e-3
    assert set(np.concatenate([label.ravel() for label in found.values()])) == {0, 1, 2, 3}
    for pyramid in ([], [0.5, 0.75]):
        assert difference(found, plain.predictions(network, data, pyramid)) > 0.01
    assert difference(found, plain.predictions(network, data, [0.6], "caffe")) > 0.01


@pytest.mark.parametrize("pyramid", [[], [0.5, 0.8]])
def test_scales_that_are_asked_for(stage, data, vgg, tmp_path, pyramid):
    file, network = vgg
    out = stage("seg.predict", *HERE, "--weights", file, "--pyramid", *pyramid, "--out", tmp_path / "pred", split="val")
    found = read_labels(out)
    assert difference(found, plain.predictions(network, data, pyramid, split="val")) < 1e-3


def lattice_crf(rgb, probabilities, iterations=10, sxy=67, srgb=3, weights=(3, 4)):
    """The project's own dense CRF, which tests/common/crf holds to the authors', with the published numbers."""
    return dense_crf(rgb, probabilities, iterations, 1, weights[0], sxy, srgb, weights[1], "lattice")


@pytest.mark.parametrize("backend, infer", [("lattice", lattice_crf), ("pydensecrf", plain.published_crf)])
def test_crf(stage, data, vgg, tmp_path, backend, infer):
    """On the probabilities, in the image's size and with its colours; the published numbers are the defaults."""
    if backend == "pydensecrf":
        pytest.importorskip("pydensecrf.densecrf")
    file, network = vgg
    crf = ("--crf", "--crf-backend", backend)
    found = read_labels(stage("seg.predict", *HERE, *crf, "--weights", file, "--out", tmp_path / "pred", split="val"))
    expected = plain.predictions(network, data, [0.6], crf=infer, split="val")
    assert difference(found, expected) < 1e-3
    others = [
        lambda rgb, probabilities: infer(rgb[..., ::-1] // 2, probabilities),
        lambda rgb, probabilities: infer(rgb, np.log(probabilities).clip(1e-5, 1)),
        lambda rgb, probabilities: probabilities,
        *(
            lambda rgb, probabilities, change=change: infer(rgb, probabilities, **change)
            for change in ({"iterations": 5}, {"sxy": 3}, {"srgb": 13}, {"weights": (4, 3)}, {"weights": (3, 8)})
        ),
    ]
    for other in others:
        assert difference(found, plain.predictions(network, data, [0.6], crf=other, split="val")) > 1e-3


def test_crf_as_it_is_told(stage, data, vgg, tmp_path):
    file, network = vgg
    told = {"iterations": 3, "bilateral-sxy": 20, "bilateral-srgb": 13, "gaussian-weight": 2, "bilateral-weight": 5}
    crf = [word for name, value in told.items() for word in (f"--crf-{name}", value)]
    crf += ["--crf-backend", "lattice"]
    options = (*HERE, "--crf", *crf, "--weights", file)
    found = read_labels(stage("seg.predict", *options, "--out", tmp_path / "pred", split="val"))

    def same(rgb, probabilities):
        return lattice_crf(rgb, probabilities, 3, 20, 13, (2, 5))

    assert difference(found, plain.predictions(network, data, [0.6], crf=same, split="val")) < 1e-3


def test_published_weights(stage, data, tmp_path):
    """Without a word on how they want to be used: Caffe's convention, rates 6 to 24, scales 1, 0.5 and 0.75."""
    torch.manual_seed(2)
    network = DeepLabResNet(3, [1, 2, 1, 1], 4, (6, 12, 18, 24), caffe=True)
    network.layer1.conv1.bn.running_var += 5000  # of images from 0 to 255
    for branch in network.aspp.children():
        branch.weight.data *= 20
    balance(network, network.aspp.c0.bias, data, "caffe")
    state = {f"module.base.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save(state, tmp_path / "published.pth")
    options = (*HERE, "--weights", tmp_path / "published.pth", "--batch-size", 3)
    found = read_labels(stage("seg.predict", *options, "--out", tmp_path / "pred"))
    assert difference(found, plain.predictions(network, data, [0.5, 0.75], "caffe")) < 1e-3
    assert difference(found, plain.predictions(network, data, [], "caffe")) > 0.01
    assert difference(found, plain.predictions(network, data, [0.5, 0.75])) > 0.01


def test_training_and_prediction_fit(stage, data, tmp_path):
    """A file of seg.train says which convention and which scales it was trained with."""
    sizes = ("--blocks", 1, 1, 1, 1, "--width", 4, "--rates", 1, 2, "--crop-size", 33, "--batch-size", 2)
    training = ("--convention", "caffe", "--pyramid", 0.7, "--iterations", 3, "--lr", 1e-3, "--labels", data / "labels")
    out = stage("seg.train", *sizes, *training, *HERE, "--out", tmp_path / "seg")
    network = DeepLabResNet(3, [1, 1, 1, 1], 4, (1, 2), caffe=True)
    network.load_state_dict(weights(out))
    found = read_labels(stage("seg.predict", *HERE, "--weights", out / "weights.pth", "--out", tmp_path / "pred"))
    assert difference(found, plain.predictions(network, data, [0.7], "caffe")) < 1e-3
    with pytest.raises(Exception, match="expected a vgg16, found a resnet101"):
        options = (*HERE, "--backbone", "vgg16", "--weights", out / "weights.pth")
        stage("seg.predict", *options, "--out", tmp_path / "other")


def test_prediction_says_the_file(stage, data, vgg, tmp_path):
    """A file as it has always been written, in bfloat16."""
    _, network = vgg
    arch = TRUNK | {"batch_norm": False, "output_stride": 8, "fc_channels": 8, "rates": [1, 2]}
    arch |= {"backbone": "vgg16", "classes": 3, "convention": "caffe"}
    state = {f"base.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"arch": arch, "pyramid": [], "state_dict": state}, tmp_path / "weights.pth")
    options = ("--amp", *HERE[1:], "--weights", tmp_path / "weights.pth")
    found = read_labels(stage("seg.predict", *options, "--out", tmp_path / "pred"))
    assert difference(found, plain.predictions(network, data, [], "caffe", amp=True)) < 1e-3
