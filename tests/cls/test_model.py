"""The classifier and the integral attention model: shapes, names, initialisation, learning rates."""

import pytest
import torch
from torchvision.models import vgg16

from cls.model import Classifier, ClassifierArch, IntegralAttention, build, parameter_groups
from common import checkpoint
from stages.files import InputError

THIN = {"channels": [4, 4, 8, 8, 8], "depths": [1, 1, 1, 1, 2], "nodes": 3}


@pytest.mark.parametrize("network", [Classifier, IntegralAttention])
def test_output_stride_is_8(network):
    assert network(ClassifierArch(classes=5, **THIN))(torch.zeros(2, 3, 64, 96)).shape == (2, 5, 8, 12)


@pytest.mark.parametrize("network", [Classifier, IntegralAttention])
def test_output_stride_4_has_the_same_tensors(network):
    wide = network(ClassifierArch(classes=5, **THIN, output_stride=4))
    assert wide(torch.zeros(2, 3, 64, 96)).shape == (2, 5, 16, 24)
    assert wide.state_dict().keys() == network(ClassifierArch(classes=5, **THIN)).state_dict().keys()


def test_the_control_stands_where_glore_does():
    names = Classifier(ClassifierArch(classes=5, **THIN, local_unit=True)).state_dict().keys()
    assert "extra_convs_2.conv_state.weight" in names and "extra_convs_2.conv_proj.weight" not in names


def published_names(last):
    trunk = [f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
    convs = (
        trunk
        + [f"extra_convs_1.{i}" for i in (0, 2, 4)]
        + [f"extra_convs_2.{n}" for n in ("conv_state", "conv_proj", "gcn.conv1")]
    )
    names = {f"{name}.{kind}" for name in [*convs, last, "extra_convs_2.blocker"] for kind in ("weight", "bias")}
    names |= {f"extra_convs_2.{name}.weight" for name in ("gcn.conv2", "conv_extend")}
    return names | {f"extra_convs_2.blocker.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}


@pytest.mark.parametrize("network, last", [("classifier", "extra_convs_3.1"), ("iam", "extra_convs_3.0")])
def test_published_checkpoints_load(network, last, tmp_path):
    torch.manual_seed(1)
    source, target = build(network=network, classes=20), build(network=network, classes=20)
    assert set(source.state_dict()) == published_names(last)
    published = {f"module.{name}": tensor for name, tensor in source.state_dict().items()}
    checkpoint.load_into(target, {"state_dict": published, "epoch": 14}, tmp_path)
    for name, tensor in target.state_dict().items():
        torch.testing.assert_close(tensor, source.state_dict()[name])


def test_trunk_equals_torchvision_up_to_the_changed_pools():
    torch.manual_seed(0)
    reference, ours = vgg16().features, Classifier(ClassifierArch(classes=20))
    checkpoint.load_trunk(ours, {f"features.{k}": v for k, v in reference.state_dict().items()}, "vgg16.pth")
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(ours.features[:23](x), reference[:23](x))  # up to pool 4


def test_trunk_of_another_size_is_refused():
    with pytest.raises(
        InputError, match=r"vgg.pth: .*features.0.weight should be \(4, 3, 3, 3\), found \(64, 3, 3, 3\)"
    ):
        checkpoint.load_trunk(
            Classifier(ClassifierArch(classes=5, **THIN)), {"features.0.weight": torch.zeros(64, 3, 3, 3)}, "vgg.pth"
        )


def test_without_glore_nothing_reasons_globally():
    torch.manual_seed(0)
    network = Classifier(ClassifierArch(classes=2, **THIN, glore=False)).eval()
    assert not any(name.startswith("extra_convs_2") for name in network.state_dict())


def test_relu_stands_before_glore_in_the_iam_and_after_it_in_the_classifier():
    def rectified_before(network):
        seen = []
        network.extra_convs_2.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].min().item()))
        network.eval()(torch.randn(1, 3, 64, 64))
        return seen[0] >= 0

    torch.manual_seed(0)
    assert not rectified_before(Classifier(ClassifierArch(classes=5, **THIN)))
    assert rectified_before(IntegralAttention(ClassifierArch(classes=5, **THIN)))


def test_learning_rates():
    network = Classifier(ClassifierArch(classes=5, **THIN))
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = {group["scale"]: {names[id(p)] for p in group["params"]} for group in parameter_groups(network, 1e-3)}
    assert sum(len(group) for group in groups.values()) == len(names)
    assert "features.0.weight" in groups[1] and "features.0.bias" in groups[2]
    assert {"extra_convs_1.0.weight", "extra_convs_2.blocker.weight", "extra_convs_3.1.weight"} <= groups[10]
    assert {"extra_convs_1.0.bias", "extra_convs_2.gcn.conv1.bias", "extra_convs_3.1.bias"} <= groups[20]


def test_initialisation_outside_the_trunk():
    torch.manual_seed(0)
    wide = Classifier(ClassifierArch(classes=20, channels=(4, 4, 8, 8, 64), depths=(1,) * 5, nodes=32))
    for conv in (wide.extra_convs_1[2], wide.extra_convs_2.conv_state):
        expected = (2 / (conv.kernel_size[0] ** 2 * conv.out_channels)) ** 0.5
        assert conv.weight.std().item() == pytest.approx(expected, rel=0.05)
        assert (conv.bias == 0).all()


def test_unknown_network_is_refused():
    with pytest.raises(InputError, match="classifier or iam, found 'resnet'"):
        build(network="resnet", classes=3)
