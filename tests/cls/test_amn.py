"""AMN: its network by hand, what its training trains and at which rate, and what the training's options change."""

import pytest
import torch
from torch.nn import functional as F

from cls import losses
from cls.amn import AMN, build
from tests.outputs import scalars, weights

THIN = {"network": "amn", "backbone": "resnet50", "classes": 3, "blocks": [1, 1, 1, 1], "width": 4, "rates": [1, 2]}
RESNET = ("--blocks", 1, 1, 1, 1, "--width", 4, "--rates", 1, 2)
VGG = ("--backbone", "vgg16", "--channels", 4, 4, 4, 4, 8, "--depths", 1, 1, 1, 1, 1, "--batch-norm", "--rates", 1)
# four images in batches of three, so the second batch of an epoch is one image
HERE = ("--crop-size", 48, "--epochs", 2, "--batch-size", 3, "--device", "cpu", "--workers", 0, "--no-amp")


def test_logits_are_dilated_convolutions_of_features_times_the_labels_encoding():
    torch.manual_seed(0)
    network = build(**THIN).eval()
    x, labels = torch.randn(2, 3, 64, 80), torch.tensor([[1.0, 0, 1], [0, 1, 0]])
    features, logits = network(x, labels)
    assert logits.shape == (2, 4, 4, 5)
    encoded = labels @ network.label_encoding.weight.T + network.label_encoding.bias  # (B, K)
    torch.testing.assert_close(features, network.features(x) * encoded[:, :, None, None])
    state = network.aspp.state_dict()
    branches = (F.conv2d(features, state[f"c{i}.weight"], padding=i + 1, dilation=i + 1) for i in range(2))
    torch.testing.assert_close(logits, sum(branches))  # biases start at 0
    network.train()
    assert not torch.equal(network(x, labels).logits, logits), "dropout"
    torch.testing.assert_close(network(x, labels).features, features)


@pytest.fixture
def train(here, tiny_data):
    """`train(folder, *more)` runs cls.train_amn on the tiny data's ground truth and returns <tmp_path>/<folder>."""
    own = ("--data", tiny_data, "--split", "train", "--seeds", tiny_data / "SegmentationClass", *HERE)
    return lambda folder, *more: here("cls.train_amn", folder, *own, *more)


def test_an_image_has_its_own_labels_and_zeros_around_it(train, monkeypatch):
    """At half their size all images have at most 32 pixels a side."""
    seen, forward, loss = [], AMN.forward, losses.balanced_cross_entropy

    def watched(network, x, labels):
        seen.append([x, labels])
        return forward(network, x, labels)

    monkeypatch.setattr(AMN, "forward", watched)
    monkeypatch.setattr(losses, "balanced_cross_entropy", lambda *given: seen[-1].append(given[1]) or loss(*given))
    train("amn", *RESNET, "--scales", 0.5, 0.5, "--epochs", 1)
    images, labels, seeds = (torch.cat(parts) for parts in zip(*seen))
    assert len(images) == 4 and not images[:, :, 32:].any() and images[:, :, :16].any()
    for own, seed in zip(labels, seeds):
        classes = {value - 1 for value in seed.unique().tolist()} - {-1, 254}
        assert classes and classes <= {*own.nonzero()[:, 0].tolist()}
    assert labels.sum() == 7  # of all images


def test_all_but_the_stem_and_the_statistics_is_trained(train):
    trained = weights(train("amn", *RESNET, "--lr", 1e-3))
    torch.manual_seed(0)
    initial = build(**THIN).state_dict()
    changed = {name for name, tensor in trained.items() if not torch.equal(tensor, initial[name])}
    fixed = {name for name in initial if name.startswith("features.layer1.") or "running" in name or "num_b" in name}
    assert changed == initial.keys() - fixed


def test_the_learning_rate_stays_and_new_layers_have_20_times_it(train):
    rates = scalars(train("amn", *RESNET, "--save-every", 1))["lr"]
    assert rates == pytest.approx(dict.fromkeys(range(4), 5e-6))
    groups = build(**THIN).parameter_groups(1e-3)
    assert [group["lr"] for group in groups] == [1e-3, 2e-2]
    new = sum(parameter.numel() for parameter in groups[1]["params"])
    assert new == 4 * 128 + 2 * (4 * 128 * 9 + 4)  # the encoding, and two convolutions, of K = 128


OPTIONS = ["--lr 1e-4", "--weight-decay 0.1", "--crop-size 64", "--scales 1 2", "--smoothing 0.1", "--batch-size 2"]
OPTIONS += ["--seed 1", "--output-stride 4", "--depths 2 1 1 1 1", "--epochs 3", "--rates 2"]


def test_each_option_is_heard(train):
    ends = [weights(train(f"run{i}", *VGG, *option.split())) for i, option in enumerate(["--seed 0", *OPTIONS])]
    assert len({b"".join(tensor.numpy().tobytes() for tensor in each.values()) for each in ends}) == len(OPTIONS) + 1
