"""seg.train from end to end against the plain loop: every weight."""

import re

import pytest
import torch

from tests.wiring import plain
from tests.wiring.conftest import assert_trained_alike, snapshot, weights
from tests.wiring.networks import DeepLabResNet, DeepLabVGG, start_normal, vgg

TRUNK = {"channels": [4, 4, 8, 8, 8], "depths": [1, 1, 2, 1, 1]}
VGG = ("--backbone", "vgg16", "--channels", *TRUNK["channels"], "--depths", *TRUNK["depths"])
RESNET = ("--backbone", "resnet101", "--blocks", 1, 2, 1, 1, "--width", 4)
# batches cross the epochs' ends (7 images), the rate is renewed twice, crops are larger and smaller than images
SCHEDULE = {"size": 41, "scales": [0.6, 1, 1.5], "iterations": 21, "batch": 3}
SCHEDULE |= {"lr": 0.002, "weight_decay": 0.05, "seed": 3}
COMMAND = ("--crop-size", 41, "--scales", 0.6, 1, 1.5, "--iterations", 21, "--batch-size", 3, "--lr", 0.002)
COMMAND += ("--weight-decay", 0.05, "--seed", 3, "--workers", 0, "--device", "cpu")


def assert_like_plain(stage, data, folder, network, arguments, init=None, pyramid=(0.5, 0.75), **how):
    """Trains both; `network()` builds the plain one, `init` are tensors that replace its own."""
    torch.manual_seed(SCHEDULE["seed"])
    model = network()
    model.load_state_dict(init or {}, strict=False)
    initial = snapshot(model)
    rate = ["--lr", how["lr"]] if "lr" in how else []
    options = (*COMMAND, "--labels", data / "labels", *arguments, *rate)
    out = stage("seg.train", *options, "--out", folder / "seg")
    torch.manual_seed(SCHEDULE["seed"])
    network()  # dropout goes on with the numbers that the start has left
    plain.train_segmentation(model, data, data / "labels", pyramid=pyramid, **(SCHEDULE | how))
    assert_trained_alike(weights(out), model.state_dict(), initial)


def vgg16(fc_channels=None, rates=(1, 2), **trunk):
    return lambda: DeepLabVGG(3, TRUNK | trunk, rates, fc_channels)


def trunk_weights(batch_norm):
    features = vgg(**TRUNK, batch_norm=batch_norm)
    start_normal(features)
    return {f"features.{name}": tensor for name, tensor in features.state_dict().items()}


def test_vgg16_from_random_weights(stage, data, tmp_path):
    """fc6 and fc7 are new, so x10 and x20; dropout."""
    assert_like_plain(stage, data, tmp_path, vgg16(8), [*VGG, "--fc-channels", 8, "--rates", 1, 2, "--no-amp"])


def test_vgg16_in_bfloat16(stage, data, tmp_path):
    arguments = [*VGG, "--fc-channels", 8, "--rates", 1, 2, "--amp", "--pyramid", 0.8]
    assert_like_plain(stage, data, tmp_path, vgg16(8), arguments, pyramid=[0.8], amp=True)


def test_vgg16_from_imagenet(stage, data, tmp_path):
    """fc6 and fc7 keep every fourth unit of ImageNet's, rows and columns 0, 3 and 6, and learn at the trunk's rate."""
    torch.manual_seed(0)
    file = trunk_weights(batch_norm=False)
    file |= {"classifier.0.weight": torch.randn(32, 8 * 49) / 20, "classifier.0.bias": torch.rand(32)}
    file |= {"classifier.3.weight": torch.randn(32, 32) / 6, "classifier.3.bias": torch.rand(32)}
    unused = {"classifier.6.weight": torch.zeros(10, 32), "classifier.6.bias": torch.zeros(10)}
    torch.save(file | unused, tmp_path / "i.pth")
    init = {name: tensor for name, tensor in file.items() if name.startswith("features.")}
    for branch in ("aspp.c0", "aspp.c1"):
        init[f"{branch}.fc6.weight"] = file["classifier.0.weight"].reshape(32, 8, 7, 7)[::4, :, ::3, ::3]
        init[f"{branch}.fc6.bias"] = file["classifier.0.bias"][::4]
        init[f"{branch}.fc7.weight"] = file["classifier.3.weight"][::4, ::4, None, None]
        init[f"{branch}.fc7.bias"] = file["classifier.3.bias"][::4]
    arguments = [*VGG, "--fc-channels", 8, "--rates", 1, 2, "--no-amp", "--init", tmp_path / "i.pth"]
    assert_like_plain(stage, data, tmp_path, vgg16(8), arguments, init, pretrained=set(init), frozen=True)


@pytest.mark.parametrize("frozen", [True, False])
def test_vgg16_from_a_trunk(stage, data, tmp_path, frozen):
    """As on the toy data: batch norm, frozen by default, no fc6 and fc7, output stride 4, one scale."""
    torch.manual_seed(0)
    init = trunk_weights(batch_norm=True)
    torch.save({"arch": TRUNK | {"batch_norm": True}, "state_dict": init}, tmp_path / "i.pth")
    arguments = [*VGG, "--batch-norm", "--output-stride", 4, "--fc-channels", 0, "--rates", 1, 2, "--no-amp"]
    arguments += ["--pyramid", "--init", tmp_path / "i.pth", *([] if frozen else ["--no-freeze-bn"])]
    network = vgg16(batch_norm=True, output_stride=4)
    assert_like_plain(stage, data, tmp_path, network, arguments, init, pyramid=[], pretrained=set(init), frozen=frozen)


def resnet(caffe, rates=(1, 2)):
    return lambda: DeepLabResNet(3, [1, 2, 1, 1], 4, rates, caffe)


def test_resnet_from_random_weights(stage, data, tmp_path):
    """Batch norm learns, like the trunk."""
    assert_like_plain(stage, data, tmp_path, resnet(False), [*RESNET, "--rates", 1, 2, "--no-amp"], lr=1e-4)


def pretrained_resnet(classes, caffe):
    """With batch norm's tensors as if it had been trained."""
    torch.manual_seed(0)
    network = DeepLabResNet(classes, [1, 2, 1, 1], 4, (1, 2), caffe)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.5, 1.5)
    network.layer1.conv1.bn.running_var += 5000 if caffe else 0  # of images from 0 to 255
    return network


def test_resnet_from_published_weights(stage, data, tmp_path):
    """Caffe's convention, frozen batch norm, a new ASPP for other classes; COCO's classifier is not used."""
    file = pretrained_resnet(5, caffe=True)
    state = {f"base.{name}": tensor for name, tensor in file.state_dict().items()}
    torch.save(state | {"base.fc.weight": torch.zeros(90, 128, 1, 1)}, tmp_path / "i.pth")
    init = {name: tensor for name, tensor in file.state_dict().items() if not name.startswith("aspp.")}
    arguments = [*RESNET, "--rates", 1, 2, "--no-amp", "--init", tmp_path / "i.pth", "--convention", "caffe"]
    options = {"convention": "caffe", "frozen": True, "pretrained": set(init), "lr": 2e-4}
    assert_like_plain(stage, data, tmp_path, resnet(True), arguments, init, **options)


def imagenet_name(name):
    """layer2.block1.conv3x3.bn.weight -> layer1.0.bn2.weight, as torchvision calls it."""
    stage, block, unit, rest = re.fullmatch(r"layer(\d)(?:\.block(\d+))?\.(\w+)\.(.+)", name).groups()
    if not block:
        return rest.replace("conv.", "conv1.").replace("bn.", "bn1.")
    if unit == "shortcut":
        rest = "downsample." + rest.replace("conv.", "0.").replace("bn.", "1.")
    else:
        rest = rest.replace(".", "{}.".format({"reduce": 1, "conv3x3": 2, "increase": 3}[unit]), 1)
    return f"layer{int(stage) - 1}.{int(block) - 1}.{rest}"


def test_resnet_from_imagenet(stage, data, tmp_path):
    """In torchvision's names and convention; --freeze-bn is the default."""
    file = pretrained_resnet(3, caffe=False)
    init = {name: tensor for name, tensor in file.state_dict().items() if not name.startswith("aspp.")}
    file = {imagenet_name(name): tensor for name, tensor in init.items()}
    torch.save(file | {"fc.weight": torch.zeros(10, 128), "fc.bias": torch.zeros(10)}, tmp_path / "i.pth")
    arguments = [*RESNET, "--rates", 1, 2, "--no-amp", "--init", tmp_path / "i.pth"]
    assert_like_plain(stage, data, tmp_path, resnet(False), arguments, init, frozen=True, pretrained=set(init), lr=2e-4)


def test_vgg16_from_its_own_weights(stage, data, tmp_path):
    """All is given; the layers that give logits still learn at x10 and x20."""
    torch.manual_seed(0)
    init = DeepLabVGG(3, TRUNK, (1, 2), 8).state_dict()
    arch = TRUNK | {"backbone": "vgg16", "classes": 3, "convention": "torchvision", "rates": [1, 2], "fc_channels": 8}
    state = {f"base.{name}": tensor for name, tensor in init.items()}
    torch.save({"arch": arch, "pyramid": [0.5, 0.75], "state_dict": state}, tmp_path / "i.pth")
    arguments = [*VGG, "--fc-channels", 8, "--rates", 1, 2, "--no-amp", "--init", tmp_path / "i.pth"]
    assert_like_plain(stage, data, tmp_path, vgg16(8), arguments, init, pretrained=set(init), frozen=True)
