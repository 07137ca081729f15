"""The classifier, with and without FBR's heads, and the integral attention model: shapes, names, start, gradients."""

import pytest
import torch
from torch.nn import Conv2d
from torchvision.models import vgg16

from cls import losses
from cls.model import Classifier, ClassifierArch, FBRClassifier, IntegralAttention, build, build_fbr, parameter_groups
from common.training import checkpoint
from common.training.losses import Loss
from fbr import contrast
from fbr.nroi import NROIBank, extract_nrois
from stages.files import InputError
from tests.mean_loss import mean_of

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
    checkpoint.load_backbone(ours, {f"features.{k}": v for k, v in reference.state_dict().items()}, "vgg16.pth")
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(ours.features[:23](x), reference[:23](x))  # up to pool 4


def test_trunk_of_another_size_is_refused():
    with pytest.raises(
        InputError, match=r"vgg.pth: .*features.0.weight should be \(4, 3, 3, 3\), found \(64, 3, 3, 3\)"
    ):
        checkpoint.load_backbone(
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


@pytest.mark.parametrize("classes", [1, 2, 6, 20, 80])
def test_initialisation_outside_the_trunk(classes):
    """As published of 20 classes, draw for draw; the last layer has the deviation of 20 classes for any number."""
    network = Classifier(ClassifierArch(classes=classes, channels=(4, 4, 8, 8, 64), depths=(1,) * 5, nodes=32))
    torch.manual_seed(0)
    network.initialise_head()
    torch.manual_seed(0)
    convolutions = [conv for name, conv in network.named_modules() if isinstance(conv, Conv2d) and "extra" in name]
    assert len(convolutions) == 7 and convolutions[-1].out_channels == classes
    for conv in convolutions:
        outputs = 20 if conv is convolutions[-1] else conv.out_channels
        expected = torch.randn(conv.weight.shape) * (2 / (conv.kernel_size[0] ** 2 * outputs)) ** 0.5
        torch.testing.assert_close(conv.weight, expected)
        assert conv.bias is None or (conv.bias == 0).all()


def test_unknown_network_is_refused():
    with pytest.raises(InputError, match="arch.network .*, found 'yeti'"):
        build(network="yeti", classes=3)


IMAGE = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
PLAIN = ClassifierArch(classes=5, **THIN)


@pytest.mark.parametrize("projections", ["two", "shared", "none"])
def test_heads_change_neither_the_maps_nor_the_random_state(projections):
    torch.manual_seed(3)
    plain, state = Classifier(PLAIN), torch.get_rng_state()
    torch.manual_seed(3)
    ours = FBRClassifier(PLAIN, projections)
    assert torch.equal(torch.get_rng_state(), state)
    for mode in (False, True):
        assert torch.equal(plain.train(mode)(IMAGE), ours.train(mode)(IMAGE).maps)
    kept = {name: tensor for name, tensor in ours.state_dict().items() if not name.startswith("heads.")}
    assert kept.keys() == plain.state_dict().keys()


def heads_of(**arguments):
    heads = FBRClassifier(PLAIN, **arguments).heads
    return {name: tuple(head.weight.shape[:2]) for name, head in heads.items()}


def test_heads_are_those_that_are_needed():
    two = {"embedding": 6, "foreground": True, "background": False, "segmentation": False}
    assert heads_of(embedding=6) == {"foreground": (6, 8), "background": (6, 8), "segmentation": (1, 6)}
    assert heads_of(**two) == {"foreground": (6, 8)}
    assert heads_of(**two | {"foreground": False, "background": True}) == {"background": (6, 8)}
    assert heads_of(**two | {"projections": "shared", "segmentation": True}) == {"both": (6, 8), "segmentation": (1, 6)}
    assert heads_of(**two | {"projections": "none", "segmentation": True}) == {"segmentation": (1, 8)}
    assert heads_of(**two | {"projections": "none"}) == heads_of(**two | {"foreground": False}) == {}
    assert heads_of(**two | {"projections": "shared", "foreground": False}) == {}


@pytest.mark.parametrize("projections, width", [("two", 6), ("shared", 6), ("none", 8)])
def test_shapes_of_fbrs_output(projections, width):
    network = FBRClassifier(PLAIN, projections, embedding=6)
    output = network(IMAGE)
    assert network.width == width
    assert output.maps.shape == (2, 5, 8, 12) and output.features.shape == (2, 8, 8, 12)
    assert output.foreground.shape == output.background.shape == (2, width, 8, 12)
    assert output.segmentation.shape == (2, 8, 12)
    assert torch.equal(output.foreground, output.background) == (projections != "two")
    unneeded = FBRClassifier(PLAIN, projections, foreground=False, background=False, segmentation=False)(IMAGE)
    assert unneeded.foreground is unneeded.background is unneeded.segmentation is None


def test_projections_are_1x1_convolutions_of_rectified_features_rectified_if_asked():
    torch.manual_seed(0)
    rectified = FBRClassifier(PLAIN, embedding=6).eval()
    linear = FBRClassifier(PLAIN, embedding=6, relu=False).eval()
    linear.load_state_dict(rectified.state_dict())
    output = linear(IMAGE)
    assert output.features.min() == 0 and output.foreground.min() < 0
    expected = torch.einsum("ek,bkhw->behw", linear.heads["background"].weight[:, :, 0, 0], output.features)
    torch.testing.assert_close(output.background, expected)
    assert torch.equal(rectified(IMAGE).foreground, output.foreground.relu())


def test_segmentation_sees_what_its_dropout_keeps():
    network = FBRClassifier(PLAIN, embedding=6).eval()
    kept = 2 * (torch.rand(2, 6, 8, 12, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    output, head = network(IMAGE, kept), network.heads["segmentation"]
    torch.testing.assert_close(output.segmentation, head(output.background * kept)[:, 0])
    torch.testing.assert_close(network(IMAGE, 0 * kept).segmentation, head.bias.expand(2, 8, 12))


def part_of(name, output):
    """One of FBR's losses, with pseudo labels at random, all object pixels hard."""
    generator = torch.Generator().manual_seed(0)
    pseudo = torch.randint(-1, 3, (2, 8, 12), generator=generator)
    if name == "similarity":
        return losses.similarity_loss(output.foreground, output.background)
    if name == "segmentation":
        return losses.background_loss(output.segmentation, pseudo == contrast.BACKGROUND)
    prototypes, present = contrast.class_prototypes(output.foreground, torch.rand(2, 5, 8, 12), pseudo, 4)
    queries = contrast.choose_queries(pseudo >= 0, pseudo, present, 100, generator)
    if name == "intra":
        each = contrast.intra_foreground(output.foreground, pseudo, queries, prototypes, present, 5, 0.5, generator)
        return Loss(each, queries.used)
    bank = NROIBank(output.foreground.shape[1], 20)
    nrois, valid = extract_nrois(output.background, pseudo == contrast.BACKGROUND, 4, [0, 1])
    bank.push(nrois.flatten(0, 1), valid.flatten())
    return Loss(contrast.pixel_to_nroi(output.foreground, queries, prototypes, bank, 5, 0.5, generator), queries.used)


@pytest.mark.parametrize("projections", ["two", "shared", "none"])
@pytest.mark.parametrize(
    "part, heads",
    [
        ("nroi", {"foreground"}),
        ("intra", {"foreground"}),
        ("similarity", {"foreground", "background"}),
        ("segmentation", {"background", "segmentation"}),
    ],
)
def test_gradient_of_a_part_reaches_its_heads_and_the_trunk(part, heads, projections):
    torch.manual_seed(1)
    network = FBRClassifier(PLAIN, projections, embedding=6, relu=False)
    mean_of(part_of(part, network(IMAGE))).backward()
    reached = {name for name, each in network.named_parameters() if each.grad is not None and each.grad.any()}
    names = {"two": {"foreground", "background"}, "shared": {"both"}, "none": set()}[projections] | {"segmentation"}
    if projections != "two":
        heads = (heads & {"segmentation"}) | ({"both"} & names)
    assert {name for name in names if f"heads.{name}.weight" in reached} == heads
    if part != "similarity" or projections == "two":  # else it is 1 everywhere, and has a gradient of rounding alone
        assert network.features[0].weight.grad.abs().max() > 1e-9
    assert not any(name.startswith("extra_convs_3") for name in reached)


@pytest.mark.parametrize("projections", ["two", "shared", "none"])
def test_touching_the_heads_gives_each_of_their_parameters_a_gradient_of_0(projections):
    network = FBRClassifier(PLAIN, projections)
    (network(IMAGE).maps.sum() + network.touch_heads()).backward()
    assert all((parameter.grad == 0).all() for parameter in network.heads.parameters())


def test_heads_learn_as_fast_as_the_classifiers_head():
    network = FBRClassifier(PLAIN)
    groups = {group["scale"]: {id(each) for each in group["params"]} for group in parameter_groups(network, 1e-3)}
    assert {id(head.weight) for head in network.heads.values()} <= groups[10]
    assert id(network.heads["segmentation"].bias) in groups[20]


def test_fbrs_network_is_built_from_a_description():
    network = build_fbr({"projections": "shared", "embedding": 6}, network="classifier", classes=5, **THIN)
    assert network.arch.classes == 5 and network.width == 6
    with pytest.raises(InputError, match="classifier, found 'iam'"):
        build_fbr({}, network="iam", classes=5)
