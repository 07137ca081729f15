"""The contrasts of FBR and their negatives: closed forms, loops, the published numbers, gradients, edge cases."""

import math

import numpy as np
import pytest
import torch

from common.training.losses import Loss
from fbr.contrast import (
    BACKGROUND,
    IGNORED,
    choose_queries,
    class_prototypes,
    contrast,
    draw_pixels_of_other_classes,
    hard_pixels,
    intra_foreground,
    pixel_to_nroi,
    probabilities,
    sampling_probabilities,
)
from fbr.nroi import NROIBank
from tests.mean_loss import mean_of


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=0):
    """Normal deviates in float64: some cosines are negative."""
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def triple(count=5, negatives=4, dim=6):
    return random(count, dim, seed=1), random(count, dim, seed=2), random(count, negatives, dim, seed=3)


def cosine(a, b):
    return float(a @ b / math.sqrt(a @ a) / math.sqrt(b @ b))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_contrast_equals_a_double_loop(temperature):
    queries, positives, negatives = triple()
    found = contrast(queries, positives, negatives, temperature)
    for q, p, n, loss in zip(queries.numpy(), positives.numpy(), negatives.numpy(), found):
        positive = math.exp(cosine(q, p) / temperature)
        total = positive + sum(math.exp(cosine(q, each) / temperature) for each in n)
        assert loss.item() == pytest.approx(-math.log(positive / total), rel=1e-6)


def test_contrast_has_gradient_into_the_queries_alone():
    queries, positives, negatives = (x.requires_grad_() for x in triple())
    contrast(queries, positives, negatives, 0.5).sum().backward()
    assert (queries.grad.abs().amax(1) > 1e-3).all() and positives.grad is None and negatives.grad is None


def test_sampling_probabilities_equal_the_published_ones(golden_file):
    """The published order of the other classes starts after the query's own, and goes around."""
    golden = golden_file("fbr")
    classes = [1, 4, 9]
    found = sampling_probabilities(torch.tensor(golden["intra_foreground/prototypes"])[classes], 0.5)
    for cls in (1, 4):
        others = golden[f"intra_foreground/class_{cls}/others"]
        row = found[classes.index(cls), [classes.index(other) for other in others]]
        np.testing.assert_allclose(row, golden[f"intra_foreground/class_{cls}/probability"], rtol=1e-5)


def test_draws_of_pixels_follow_the_chances():
    """Uniform within a class, one of which has one pixel; class 3 is absent, and never drawn; nor is the own class."""
    sizes = {BACKGROUND: 30, IGNORED: 10, 0: 12, 1: 7, 2: 1, 4: 10}
    pseudo = torch.tensor([cls for cls, size in sizes.items() for _ in range(size)])
    pseudo = pseudo[torch.randperm(70, generator=seeded())].view(2, 5, 7)
    present = torch.tensor([True, True, True, False, True])
    chances = sampling_probabilities(random(5, 6).float(), 0.5) * present
    drawn = draw_pixels_of_other_classes(pseudo, torch.tensor([0, 2]), chances, 100_000, seeded(1))
    assert drawn.shape == (2, 100_000)
    for row, own in zip(drawn, (0, 2)):
        counts = row.bincount(minlength=70)
        share = torch.zeros(70)
        for cls in {0, 1, 2, 4} - {own}:
            share[pseudo.flatten() == cls] = chances[own, cls] / chances[own].sum() / sizes[cls]
        assert (counts[share == 0] == 0).all()
        assert ((counts - 1e5 * share).abs() <= 4 * (1e5 * share * (1 - share)).sqrt()).all()


@pytest.mark.parametrize("seed", range(20))
def test_draws_are_never_of_the_own_or_an_absent_class(seed):
    """With many classes, where rounding of sums could let one through."""
    pseudo = torch.randint(-1, 80, (4, 8, 8), generator=seeded(seed))
    present = (pseudo.flatten() == torch.arange(80)[:, None]).any(1)
    chances = sampling_probabilities(torch.rand(80, 16, generator=seeded(seed)), 0.5) * present
    own = present.nonzero()[:, 0]
    drawn = pseudo.flatten()[draw_pixels_of_other_classes(pseudo, own, chances, 2000, seeded(seed))]
    assert (drawn >= 0).all() and (drawn != own[:, None]).all()


def test_intra_foreground_equals_the_published_one(golden_file, monkeypatch):
    """With its drawn negatives; class 9 has no hard pixel and counts in the mean over classes."""
    golden = {name.removeprefix("intra_foreground/"): value for name, value in golden_file("fbr").items()}
    features = torch.tensor(golden["features"], requires_grad=True)  # (60, 16)
    classes, hard = torch.tensor(golden["classes"]), torch.tensor(golden["hard"])
    pseudo = classes.where(classes != 20, BACKGROUND).view(1, 1, 60)
    present = torch.zeros(20, dtype=torch.bool).index_fill(0, torch.tensor([1, 4, 9]), True)
    queries = choose_queries((hard & (classes != 20)).view(1, 1, 60), pseudo, present, 60, seeded())
    rows = torch.zeros(60, 8, dtype=torch.long)
    for cls in (1, 4):
        rows[(classes == cls) & hard] = torch.tensor(golden[f"class_{cls}/negative_rows"])
    monkeypatch.setattr("fbr.contrast.draw_pixels_of_other_classes", lambda *_: rows[queries.index])

    prototypes, temperature = torch.tensor(golden["prototypes"])[:20], golden["temperature"].item()
    grid = features.T.view(1, 16, 1, 60)
    each = intra_foreground(grid, pseudo, queries, prototypes, present, 8, temperature, seeded())
    loss = mean_of(Loss(each, queries.used))
    loss.backward()
    assert loss.item() == pytest.approx(golden["loss"].item(), rel=1e-6)
    torch.testing.assert_close(features.grad, torch.tensor(golden["grad"]), atol=1e-7, rtol=1e-4)


def batch(pseudo, dim=6):
    """Features, activations and pseudo labels (1, 1, N) of a list, of four classes; all object pixels are hard."""
    pseudo = torch.tensor(pseudo, dtype=torch.long).view(1, 1, -1)
    features = torch.rand(1, dim, 1, pseudo.shape[2], generator=seeded(), requires_grad=True)
    active = 0.1 + torch.rand(1, 4, 1, pseudo.shape[2], generator=seeded(1))
    return features, active, pseudo, pseudo >= 0


def losses(features, active, pseudo, hard, bank=None, limit=100):
    """Both contrasts and their gradients on the features, in {name: (loss, gradient)}, of 5 negatives."""
    prototypes, present = class_prototypes(features, active, pseudo, 4)
    queries = choose_queries(hard, pseudo, present, limit, seeded())
    if bank is None:
        bank = NROIBank(features.shape[1], 10)
        bank.push(torch.rand(7, features.shape[1], generator=seeded(2)))
    found = {
        "nroi": pixel_to_nroi(features, queries, prototypes, bank, 5, 0.5, seeded(3)),
        "intra": intra_foreground(features, pseudo, queries, prototypes, present, 5, 0.5, seeded(4)),
    }
    found = {name: mean_of(Loss(each, queries.used)) for name, each in found.items()}
    return {name: (loss, torch.autograd.grad(loss, features)[0]) for name, loss in found.items()}


@pytest.mark.parametrize(
    "pseudo, zero",
    [
        ([], {"nroi", "intra"}),
        ([BACKGROUND, BACKGROUND, IGNORED], {"nroi", "intra"}),
        ([IGNORED], {"nroi", "intra"}),
        ([0, 0, 0, BACKGROUND], {"intra"}),
        ([2], {"intra"}),
        ([0, 1, 1, 3], set()),
    ],
)
def test_batches_of_few_classes_or_pixels_are_finite(pseudo, zero):
    for name, (loss, gradient) in losses(*batch(pseudo)).items():
        assert loss.isfinite() and gradient.isfinite().all()
        assert (loss == 0) == (name in zero) and (gradient == 0).all() == (name in zero)


def test_a_batch_of_no_image_is_finite():
    features, active, pseudo = torch.rand(0, 6, 3, 4, requires_grad=True), torch.rand(0, 4, 3, 4), torch.zeros(0, 3, 4)
    pseudo = pseudo.long()
    hard = hard_pixels(active, probabilities(active, torch.ones(0, 4), 0.1), pseudo, 0.4, 0.25)
    assert hard.shape == (0, 3, 4)
    for loss, gradient in losses(features, active, pseudo, hard).values():
        assert loss == 0 and gradient.shape == features.shape


@pytest.mark.parametrize("factor", [0, 1e-20, 1e15])
def test_features_of_any_length_are_finite(factor):
    _, active, pseudo, hard = batch([0, 0, 1, 1, BACKGROUND])
    features = (factor * torch.rand(1, 6, 1, 5, generator=seeded())).requires_grad_()
    for loss, gradient in losses(features, active, pseudo, hard).values():
        assert loss.isfinite() and gradient.isfinite().all()


def test_a_class_without_activation_is_left_out():
    features, active, pseudo, hard = batch([0, 0, 1, 1, 2])
    active[0, 1] = 0
    for loss, gradient in losses(features, active, pseudo, hard).values():
        assert loss.isfinite() and gradient.isfinite().all() and (gradient[0, :, 0, 2:4] == 0).all()
