"""FBR as one module on any network: its heads, what has a gradient; its background target as published."""

import pytest
import torch
from torch import nn

from fbr.contrast import scaled_probabilities
from fbr.losses import FBR, background_target
from fbr.settings import Settings
from tests.mean_loss import mean_of

SIZES = {"embedding": 6, "centres": 2, "bank_size": 9, "negatives": 5, "queries": 30, "prototype_pixels": 4}
PARTS = {
    "nroi": {"foreground"},
    "intra": {"foreground"},
    "similarity": {"foreground", "background"},
    "segmentation": {"background", "segmentation"},
}


def settings(*parts, heads="two", **more):
    """Settings with these losses alone."""
    return Settings(**{f"{name}_weight": float(name in parts) for name in PARTS}, heads=heads, **SIZES, **more)


class Network(nn.Module):
    """Any network: features, class maps of them, and FBR on the features."""

    def __init__(self, its_settings):
        super().__init__()
        torch.manual_seed(0)
        self.backbone, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 5, 1)
        self.fbr = FBR(8, its_settings)

    def losses(self, seed=0, **more):
        images = torch.randn(2, 3, 32, 40, generator=torch.Generator().manual_seed(seed))
        features = self.backbone(images)
        labels = torch.tensor([[1.0, 0, 1, 0, 0], [0, 1, 1, 0, 0]])
        return self.fbr(features, self.head(features), labels, **more)


@pytest.mark.parametrize("heads", ["two", "shared", "none"])
def test_heads_are_those_that_are_needed(heads):
    def shapes(*parts):
        return {
            name: tuple(head.weight.shape[:2]) for name, head in FBR(8, settings(*parts, heads=heads)).heads.items()
        }

    width = 8 if heads == "none" else 6
    foreground = {"two": {"foreground": (6, 8)}, "shared": {"both": (6, 8)}, "none": {}}[heads]
    background = {"two": {"background": (6, 8)}, "shared": {"both": (6, 8)}, "none": {}}[heads]
    assert shapes() == {}
    assert shapes("intra") == foreground
    assert shapes("nroi") == foreground | background
    assert shapes("segmentation") == background | {"segmentation": (1, width)}


@pytest.mark.parametrize("heads", ["two", "shared", "none"])
@pytest.mark.parametrize("part", PARTS)
def test_a_loss_reaches_its_heads_and_the_backbone(part, heads):
    """The layer of the class maps has no gradient, and all heads have one, be it 0, also in the warm-up."""
    if part == "similarity" and heads != "two":
        return
    network = Network(settings(part, heads=heads, projection_relu=False))
    losses = network.losses()
    assert losses.keys() == {part}
    mean_of(losses[part]).backward()
    reached = {name for name, head in network.fbr.heads.items() if head.weight.grad.any()}
    expected = {"both" if heads == "shared" and name != "segmentation" else name for name in PARTS[part]}
    assert reached == expected & network.fbr.heads.keys()
    assert network.backbone.weight.grad.any() and network.head.weight.grad is None
    network.zero_grad(set_to_none=True)
    warm_up = mean_of(network.losses(warm_up=True)[part])
    assert warm_up == 0
    if network.fbr.heads:
        warm_up.backward()
        assert all((parameter.grad == 0).all() for parameter in network.fbr.parameters())


def test_autocast_around_it_changes_nothing():
    torch.manual_seed(0)
    features, maps = torch.randn(2, 8, 8, 10), torch.randn(2, 5, 8, 10)
    losses = []
    for enabled in (False, True):
        fbr = Network(settings(*PARTS)).fbr
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses.append(fbr(features, maps, torch.tensor([[1, 0, 1, 0, 0], [0, 1, 1, 0, 0]])))
    for name, loss in losses[0].items():
        assert torch.equal(losses[1][name].values, loss.values) and loss.values.any(), name


def test_regions_of_logits_are_those_of_the_published_setting_i(golden_file):
    """With all classes as the image's, because the published code does not look at its labels; then with some."""
    golden = golden_file("fbr")
    logits, pseudo, hard = (
        torch.tensor(golden[f"amn_selection/{name}"]) for name in ("logits", "pseudo_label", "hard")
    )
    pseudo, fbr = pseudo.long() - 1, FBR(8, Settings())
    found = fbr.find_regions(logits, torch.ones(2, 20), 2)
    assert torch.equal(found.pseudo, pseudo) and torch.equal(found.hard, hard & (pseudo >= 0))
    own = torch.zeros(2, 20)
    own[:, 3:6] = 1
    found = fbr.find_regions(logits, own, 2)
    scaled = scaled_probabilities(logits.softmax(1))
    others = scaled[:, [0, 4, 5, 6]].argmax(1)
    assert torch.equal(found.pseudo, torch.tensor([-1, 3, 4, 5])[others])


def test_the_background_of_logits_is_found_by_the_other_maps():
    torch.manual_seed(0)
    features, logits, labels = torch.randn(2, 8, 6, 7), torch.randn(2, 4, 6, 7), torch.tensor([[1, 0, 1], [0, 1, 0]])
    found = []
    for maps in (logits, logits[:, 1:]):
        losses = Network(settings("segmentation")).fbr(features, maps, labels)
        found.append(losses["segmentation"].values)
    assert torch.equal(*found)
    with pytest.raises(ValueError, match="expected 3 maps, or the background's, too, found 5"):
        Network(settings("segmentation")).fbr(features, torch.zeros(2, 5, 6, 7), labels)


def test_background_target_equals_the_published_one(golden_file):
    """Its last channel is background."""
    golden = golden_file("fbr")
    names = ("map", "label", "background")
    maps, labels, expected = (torch.tensor(golden[f"segmentation_target/{name}"]) for name in names)
    assert torch.equal(background_target(maps[:, :20], labels), expected == 1)


def test_background_is_where_the_images_classes_sum_to_little():
    maps = torch.tensor([[[[10.0, 0.3, 0.3, -9.0]], [[0.0, 0.1, 2.0, 0.08]], [[1.0, 1.0, 1.0, 1.0]]]])
    maps.requires_grad_()
    labels = torch.tensor([[1.0, 1.0, 0.0]])
    assert background_target(maps, labels).tolist() == [[[False, False, False, True]]]  # 1, 0.08, 1.03, 0.04
    assert background_target(maps, labels, 0.1).tolist() == [[[False, True, False, True]]]
    assert background_target(maps, 0 * labels).all() and not background_target(maps, labels).requires_grad
