"""Networks of timm as backbones: names, sizes, normalisation, weight files, frozen batch norm."""

import sys

import pytest
import torch

from cls.model import build
from common.files.preprocess import normalise
from common.nets.batch_norm import freeze_batch_norm
from common.nets.timm_backbone import TimmBackbone
from common.training import checkpoint
from stages.files import InputError

timm = pytest.importorskip("timm")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_convnext"])
def test_output_stride(name, stride):
    backbone = TimmBackbone(f"timm:{name}", stride)
    assert backbone(torch.zeros(1, 3, 48, 64)).shape == (1, backbone.out_channels, 48 // stride, 64 // stride)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "test_resnet", "resnet50.a1_in1k", "mobilevit_xxs"])
def test_the_network_sees_images_normalised_by_its_own_configuration(name):
    backbone, seen = TimmBackbone(f"timm:{name}", 16), []
    backbone.body.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.randint(0, 256, (2, 32, 48, 3), dtype=torch.uint8)
    backbone.eval()(normalise(images, "torchvision"))
    config = timm.get_pretrained_cfg(name)
    mean, std = torch.tensor(config.mean), torch.tensor(config.std)
    expected = ((images / 255 - mean) / std).permute(0, 3, 1, 2)
    torch.testing.assert_close(seen[0], expected, atol=2e-6, rtol=1e-6)


def whole(name):
    """The tensors of the whole network, as timm writes them, with numbers that no initialisation gives."""
    state = timm.create_model(name).state_dict()
    return {key: torch.rand_like(tensor) if tensor.is_floating_point() else tensor for key, tensor in state.items()}


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet50", "convnext_tiny", "cspnext_tiny", "rexnet_100"])
def test_a_file_of_timm_loads_tensor_by_tensor(name):
    """In its order: timm itself gives the same tensors other names where it makes a network of features."""
    state = whole(name)
    network = build(classes=3, network="classifier", backbone=f"timm:{name}", output_stride=16)
    checkpoint.load_backbone(network, state, "file.pth")
    backbone = network.features.state_dict()
    assert len(backbone) > 100
    for own, theirs in zip(backbone.values(), state.values()):  # the head's come last
        assert torch.equal(own, theirs)


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda state: {**state, "layer3.7.conv1.weight": torch.ones(1)}, "layer3.7.conv1.weight has no place in it"),
        (lambda state: {name: t for name, t in state.items() if name != "bn1.bias"}, "bn1.bias should be .* nothing"),
        (lambda state: {**state, "bn1.weight": torch.ones(2)}, r"bn1.weight should be .* found \(2,\)"),
        (lambda state: {f"features.{i}.weight": torch.ones(1) for i in range(3)}, "should be .* found nothing"),
        (lambda state: whole("test_efficientnet"), "should be .* found nothing"),
    ],
)
def test_a_file_of_another_network_is_refused(change, reason):
    network = build(classes=3, network="classifier", backbone="timm:test_resnet", output_stride=16)
    with pytest.raises(InputError, match=f"^file.pth: expected .*{reason}$"):
        checkpoint.load_backbone(network, change(whole("test_resnet")), "file.pth")


@pytest.mark.parametrize(
    "name", ["yeti", "vgg16", "dla34", "resnet50.yeti", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"]
)
def test_a_network_that_is_unknown_or_has_no_dilation_is_refused_in_one_line(name):
    with pytest.raises(InputError, match=f"^timm:{name}: no network of timm with output stride 16: .+$"):
        TimmBackbone(f"timm:{name}", 16)


@pytest.mark.parametrize(
    "name", ["timm", "timm:", "timm:hf-hub:someone/resnet", "timm:local-dir:x", "timm:a/b", "yeti"]
)
def test_a_weight_file_cannot_make_timm_fetch_anything(name):
    with pytest.raises(InputError, match="expected as its arch.backbone vgg16 or timm:NAME"):
        build(classes=3, network="classifier", backbone=name)


def test_without_timm_one_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="^timm:resnet50: timm is not installed"):
        TimmBackbone("timm:resnet50", 16)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet"])  # activation in the batch norm, and beside it
def test_frozen_batch_norm_keeps_outputs_and_statistics(name):
    backbone = TimmBackbone(f"timm:{name}", 16)
    for tensor in backbone.state_dict().values():
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.copy_(0.5 + torch.rand_like(tensor))
    x, before = torch.randn(2, 3, 64, 64), {key: t.clone() for key, t in backbone.state_dict().items()}
    expected = backbone.eval()(x)
    freeze_batch_norm(backbone)
    output = backbone.train()(x)
    torch.testing.assert_close(output, expected)
    optimizer = torch.optim.SGD([each for each in backbone.parameters() if each.requires_grad], 1e-3)
    output.square().mean().backward()
    optimizer.step()
    norms = [f"{key}." for key, layer in backbone.named_modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert norms and list(backbone.state_dict()) == list(before)
    for key, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, before[key]) == key.startswith(tuple(norms)), key


def test_what_scales_a_layer_learns_as_weights_do_and_frozen_batch_norm_not_at_all():
    scales = {}
    for name in ("test_convnext", "test_resnet"):
        network = build(classes=3, network="classifier", backbone=f"timm:{name}", output_stride=16)
        freeze_batch_norm(network.features)
        names = {parameter: key for key, parameter in network.named_parameters()}
        for group in network.parameter_groups(0.1):
            scales |= {f"{name} {names[parameter]}": group["scale"] for parameter in group["params"]}
    assert {scale for key, scale in scales.items() if key.endswith(".gamma")} == {1}
    assert {scale for key, scale in scales.items() if "features" in key and key.endswith(".bias")} == {2}
    assert scales["test_resnet features.body.layer1.0.conv1.weight"] == 1
    assert not any(".bn" in key for key in scales)
