"""IRN's network: its shapes, its trunk, which stays as it is, and the files that the trunk comes from."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import Bottleneck
from torchvision.models.resnet import ResNet as TorchvisionResNet

from cls.model import build as build_classifier
from common.training import checkpoint
from irn.model import build

VGG = {"network": "irn", "backbone": "vgg16", "channels": [4, 4, 8, 8, 8], "depths": [1, 1, 1, 1, 1]}
VGG |= {"batch_norm": True, "branch_width": 4}
RESNET = {"network": "irn", "backbone": "resnet50", "blocks": [2, 2, 1, 1], "width": 8, "branch_width": 4}
ARCHS = {"vgg16": VGG, "vgg16 at stride 4": VGG | {"output_stride": 4}, "resnet50": RESNET}


def random_batch_norm(network):
    """Running statistics, weights and biases as if it had been trained."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight.data, layer.running_var):
                values.uniform_(0.5, 1.5)
            for values in (layer.bias.data, layer.running_mean):
                values.uniform_(-0.3, 0.3)
    return network


def made(name, seed=0):
    torch.manual_seed(seed)
    return random_batch_norm(build(**ARCHS[name]))


def images(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ARCHS)
@pytest.mark.parametrize("training", [True, False])
def test_heads_are_float32_in_mixed_precision(name, training):
    """And so is the subtraction of the mean: the layers before the heads alone round to bfloat16."""
    model, x = made(name).train(training), images(2, 3, 32, 48)
    model.mean_displacement.copy_(torch.tensor([0.7, -0.4]))
    exact = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(x)
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == torch.float32 and not torch.equal(one, other)
        shift = 0 if training or one.dim() == 3 else model.mean_displacement[:, None, None]
        values = (one + shift).detach()
        assert (values.bfloat16().float() - values).abs().max() > 1e-6 * values.abs().max()


@pytest.mark.parametrize("name", ARCHS)
def test_training_leaves_the_trunk_as_it_is(name):
    model = made(name)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameter_groups(0.1, 0.1), 0.1)
    model.train()
    boundary, displacement = model(images(2, 3, 32, 48))
    (boundary.square().mean() + displacement.square().mean()).backward()
    optimizer.step()
    assert model.training and not any(layer.training for layer in model.features.modules())
    for name, tensor in model.state_dict().items():
        same = name.startswith("features.") or name == "mean_displacement"
        assert torch.equal(tensor, before[name]) == same, name
    assert all(parameter.grad is None for parameter in model.features.parameters())


@pytest.mark.parametrize("name", ARCHS)
def test_all_that_learns_is_in_one_group_the_displacement_branch_ten_times_as_fast(name):
    model = made(name)
    slow, fast = model.parameter_groups(0.3, 0)
    assert (slow["lr"], fast["lr"]) == (0.3, 3) and (slow["scale"], fast["scale"]) == (1, 10)
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = [{names[parameter].split("_")[0] for parameter in group["params"]} for group in (slow, fast)]
    assert groups == [{"boundary"}, {"displacement", "coarse", "fine"}]
    grouped = [parameter for group in (slow, fast) for parameter in group["params"]]
    assert len(grouped) == sum(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name", ARCHS)
def test_the_mean_displacement_is_subtracted_in_eval_mode_alone(name):
    model, x = made(name), images(2, 3, 32, 48)
    training, without = model.train()(x), model.eval()(x)
    torch.testing.assert_close(training, without)
    model.mean_displacement.copy_(torch.tensor([1.5, -3]))
    assert torch.equal(model.train()(x).displacement, training.displacement)
    found = model.eval()(x)
    assert torch.equal(found.boundary, without.boundary)
    assert torch.equal(found.displacement, without.displacement - torch.tensor([1.5, -3])[:, None, None])


def layer(x, layers, factor):
    """1x1 convolution, group norm, resizing by a factor, ReLU, in this order."""
    convolution, norm = layers
    x = F.group_norm(F.conv2d(x, convolution.weight), norm.num_groups, norm.weight, norm.bias)
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False).clamp(min=0)


STRIDES = {"vgg16": (2, 4, 8, 8, 8), "vgg16 at stride 4": (2, 4, 4, 4, 4), "resnet50": (4, 4, 8, 16, 16)}


@pytest.mark.parametrize("name", ARCHS)
def test_branches_are_the_published_ones(name):
    """Five layers each; in the displacement branch the last three meet at the third stage's stride, then all at 4."""
    model, strides = made(name).train(), STRIDES[name]
    for own in model.modules():
        if isinstance(own, nn.GroupNorm):
            for values in (own.weight.data, own.bias.data):
                values.uniform_(-1, 1)
    stages = model.features(images(2, 3, 32, 48))
    factors = [stride / 4 for stride in strides]
    boundary = [layer(stage, own, each) for stage, own, each in zip(stages, model.boundary_layers, factors)]
    boundary = F.conv2d(torch.cat(boundary, 1), model.boundary_head.weight, model.boundary_head.bias)
    factors[2:] = [stride / strides[2] for stride in strides[2:]]
    parts = [layer(stage, own, each) for stage, own, each in zip(stages, model.displacement_layers, factors)]
    coarse = layer(torch.cat(parts[2:], 1), model.coarse_layer, strides[2] / 4)
    fine = layer(torch.cat([*parts[:2], coarse], 1), model.fine_layer, 1)
    expected = boundary[:, 0], F.conv2d(fine, model.displacement_head.weight)
    torch.testing.assert_close(tuple(model(images(2, 3, 32, 48))), expected, rtol=1e-4, atol=1e-5)


def test_the_published_network():
    """ResNet-50 and branches of 32 and of up to 256 channels, with the published code's layers and groups."""
    with torch.device("meta"):
        model = build(network="irn", backbone="resnet50")
    shapes = {name: tuple(each.shape) for name, each in model.named_parameters() if each.requires_grad}
    widths = [64, 256, 512, 1024, 2048]
    assert [shapes[f"boundary_layers.{i}.0.weight"] for i in range(5)] == [(32, width, 1, 1) for width in widths]
    outs = [64, 128, 256, 256, 256]
    expected = [(out, width, 1, 1) for out, width in zip(outs, widths)]
    assert [shapes[f"displacement_layers.{i}.0.weight"] for i in range(5)] == expected
    assert shapes["coarse_layer.0.weight"] == (256, 768, 1, 1) and shapes["fine_layer.0.weight"] == (256, 448, 1, 1)
    assert shapes["boundary_head.weight"] == (1, 160, 1, 1) and shapes["boundary_head.bias"] == (1,)
    assert shapes["displacement_head.weight"] == (2, 256, 1, 1) and "displacement_head.bias" not in shapes
    norms = [4] * 5 + [8, 16, 16, 16, 16] + [16, 16]
    assert [layer.num_groups for layer in model.modules() if isinstance(layer, nn.GroupNorm)] == norms


# Where the trunk comes from


def torchvision_resnet(depths, width):
    """A narrow ResNet of torchvision's, layer4 without stride, as IRN has it."""
    torch.manual_seed(3)

    class Narrow(TorchvisionResNet):
        def _make_layer(self, block, planes, blocks, **more):
            if self.inplanes == 64 and planes == 64:  # the first stage: the stem comes before it
                self.inplanes = width
                self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
            more["stride"] = 1 if planes == 512 else more.get("stride", 1)
            return super()._make_layer(block, planes * width // 64, blocks, **more)

    network = Narrow(Bottleneck, depths)
    network.fc = nn.Linear(32 * width, 5)
    return random_batch_norm(network).eval()


def test_torchvisions_resnet_gives_the_same_five_stages(tmp_path):
    theirs = torchvision_resnet(RESNET["blocks"], RESNET["width"])
    torch.save(theirs.state_dict(), tmp_path / "resnet.pth")
    model = made("resnet50")
    checkpoint.load_backbone(model, checkpoint.load(tmp_path / "resnet.pth"), tmp_path)
    x = images(2, 3, 61, 90)
    expected = [theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))]
    for layer in (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
        expected.append(layer(expected[-1]))
    found = model.train().features(x)
    assert [each.shape[2:] for each in found] == [(16, 23), (16, 23), (8, 12), (4, 6), (4, 6)]
    torch.testing.assert_close(found, expected)


def test_a_classifiers_and_a_bare_trunks_weights_load(tmp_path):
    torch.manual_seed(5)
    sizes = {name: VGG[name] for name in ("channels", "depths", "batch_norm")}
    classifier = random_batch_norm(build_classifier(network="classifier", classes=3, nodes=2, **sizes))
    state = classifier.state_dict()
    trunk = {name: tensor for name, tensor in state.items() if name.startswith("features.")}
    checkpoint.save(tmp_path / "cls.pth", arch={"network": "classifier"}, state_dict=state)
    checkpoint.save(tmp_path / "toy.pth", arch={}, state_dict=trunk)
    torch.save(trunk | {"classifier.6.weight": torch.zeros(4, 4)}, tmp_path / "torchvision.pth")
    old = {name: tensor for name, tensor in trunk.items() if "num_" not in name}
    torch.save({"state_dict": old}, tmp_path / "old.pth")
    for name in ("cls", "toy", "torchvision", "old"):
        model = made("vgg16", seed=7)
        checkpoint.load_backbone(model, checkpoint.load(tmp_path / f"{name}.pth"), tmp_path)
        for name, tensor in trunk.items():
            assert torch.equal(model.state_dict()[name], tensor) or "num_" in name, name
