"""The choice of pixels in FBR: pseudo labels, hard pixels, prototypes, queries, by hand and against the published."""

import pytest
import torch

from fbr.contrast import (
    BACKGROUND,
    IGNORED,
    choose_queries,
    class_prototypes,
    clean_by_saliency,
    hard_pixels,
    prototype_pixels,
    scaled_probabilities,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


TWO, ONE, NONE = torch.tensor([[1.0, 1, 0]]), torch.tensor([[1.0, 0, 0]]), torch.zeros(1, 3)


def test_saliency_cleans_by_the_number_of_the_images_classes():
    pseudo = torch.tensor([[[0, 1, 0, 1, BACKGROUND, BACKGROUND, IGNORED, IGNORED]]]).expand(2, -1, -1)
    salient = torch.tensor([[[1, 1, 0, 0, 1, 0, 1, 0]]]).bool().expand(2, -1, -1)
    simple, complex_ = clean_by_saliency(pseudo, salient, torch.cat([ONE, TWO])).tolist()
    assert simple == [[0, 1, -1, -1, -1, -1, -2, -2]]
    assert complex_ == [[0, 1, -2, -2, -1, -1, -2, -2]]


def test_hard_pixels_equal_those_of_the_published_setting_i(golden_file):
    """Its activations are softmax probabilities, from minimum to maximum; channel 0 is background.

    The published mask has background pixels, too: they are never queries there, and not in the mask here.
    """
    active, chances, pseudo, hard, _ = amn_selection(golden_file("fbr"))
    found = hard_pixels(active, chances, pseudo, 0.4, 0.25)
    assert torch.equal(found, hard & (pseudo >= 0))


@pytest.mark.parametrize("setting, numbers", [("i", (0.4, 0.25, False)), ("i_and_s", (0.6, 0.1, True))])
def test_hard_pixels_of_both_published_settings_where_they_differ(golden_file, setting, numbers):
    """One input for the published functions of both settings; two fifths of it are background, of more entropy than
    objects. With the other setting's rule, this one's quantiles take other pixels."""
    golden = golden_file("hard_pixels")
    chances = torch.tensor(golden["logits"]).float().softmax(1)
    active, pseudo = scaled_probabilities(chances)[:, 1:], torch.tensor(golden["pseudo_label"]).long() - 1
    hard = torch.tensor(golden[f"hard_{setting}"]) & (pseudo >= 0)
    assert torch.equal(hard_pixels(active, chances, pseudo, *numbers), hard)
    assert not torch.equal(hard_pixels(active, chances, pseudo, *numbers[:2], not numbers[2]), hard)


def amn_selection(golden):
    tensors = {name: torch.tensor(golden[f"amn_selection/{name}"]) for name in ("logits", "pseudo_label", "hard")}
    chances = tensors["logits"].softmax(1)
    features = torch.tensor(golden["amn_selection/foreground"])
    return scaled_probabilities(chances)[:, 1:], chances, tensors["pseudo_label"].long() - 1, tensors["hard"], features


def test_hard_pixels_equal_those_of_the_published_setting_i_and_s(golden_file):
    """Its last channel, 20, is background."""
    golden = golden_file("fbr")
    names = ("activation", "probability", "pseudo_label", "hard")
    active, chances, pseudo, hard = (torch.tensor(golden[f"eps_selection/{name}"]) for name in names)
    pseudo = pseudo.long().where(pseudo != 20, BACKGROUND)
    assert torch.equal(hard_pixels(active[:, :20], chances, pseudo, 0.6, 0.1, entropy_of_objects=True), hard)


def test_pixels_are_hard_where_no_activation_of_the_class_counts():
    pseudo = torch.tensor([[[0, 0, 0, BACKGROUND, 1, 1]]])
    active = torch.tensor([0.01, 0.02, 0.05, 0.0, 0.9, 0.5]).expand(1, 2, 1, 6)
    chances = torch.full((1, 3, 1, 6), 1 / 3)
    found = hard_pixels(active, chances, pseudo, 0.0, 0.0, entropy_of_objects=True)
    assert found.tolist() == [[[True, True, True, False, False, True]]]


def test_prototypes_equal_the_published_ones(golden_file):
    """Of classes that the pseudo labels have in both images, which are those whose activations the published code masks
    in both. Where an image lacks a class, the published prototype is of any of its pixels instead. 8 = 16 16 / 32."""
    golden = golden_file("fbr")
    active, _, pseudo, _, features = amn_selection(golden)
    prototypes, present = class_prototypes(features, active, pseudo, 8)
    masked = torch.tensor([all((image == c).any() for image in pseudo) for c in range(20)])
    published = torch.tensor(golden["amn_selection/prototypes"])[1:]
    assert masked.sum() == 11 and present.all()
    torch.testing.assert_close(prototypes[masked], published[masked])
    assert ((prototypes - published).abs().amax(1)[~masked] > 0.1).all()


def test_prototypes_are_means_of_the_most_active_pixels_by_their_activations():
    features = torch.tensor([[1.0, 2, 3, 4, 5, 6], [6.0, 5, 4, 3, 2, 1]]).view(1, 2, 1, 6).requires_grad_()
    active = torch.tensor([[0.2, 0.9, 0.6, 1.0, 0.0, 1.0], [0.5] * 6, [0.3] * 6, [0.0] * 6]).view(1, 4, 1, 6)
    pseudo = torch.tensor([[[0, 0, 0, BACKGROUND, 2, 3]]])
    index, weights = prototype_pixels(active, pseudo, 2)
    assert index[0].tolist() == [1, 2] and index[2, 0] == 4
    torch.testing.assert_close(weights, torch.tensor([[0.9, 0.6], [0, 0], [0.3, 0], [0, 0]]))
    prototypes, present = class_prototypes(features, active, pseudo, 2)
    expected = torch.tensor([[(0.9 * 2 + 0.6 * 3) / 1.5, (0.9 * 5 + 0.6 * 4) / 1.5], [0, 0], [5, 2], [0, 0]])
    torch.testing.assert_close(prototypes, expected)
    assert present.tolist() == [True, False, True, False] and not prototypes.requires_grad
    assert torch.equal(class_prototypes(features, active, pseudo, 100)[1], present)  # more than there are pixels


def test_queries_are_hard_pixels_within_the_limit():
    hard = torch.zeros(2, 4, 5, dtype=torch.bool)
    hard.view(-1)[[3, 8, 9, 20, 21, 30]] = True
    pseudo = torch.full((2, 4, 5), BACKGROUND)
    pseudo.view(-1)[[3, 8, 9, 20, 21, 30, 31]] = torch.tensor([0, 0, 0, 2, 2, 4, 1])
    present = torch.tensor([True, True, True, False, False])  # class 1 has no hard pixel, class 4 no prototype
    queries = choose_queries(hard, pseudo, present, 10, seeded())
    assert [len(each) for each in queries] == [10] * 4
    expected = {3: (0, 5 / 9), 8: (0, 5 / 9), 9: (0, 5 / 9), 20: (2, 5 / 6), 21: (2, 5 / 6)}  # five of three classes
    index, classes, _, weight = (each[queries.used].tolist() for each in queries)
    found = {i: (c, pytest.approx(w)) for i, c, w in zip(index, classes, weight)}
    assert found == expected and len(index) == 5


@pytest.mark.parametrize("limit", [1, 5, 12, 100])
def test_a_class_has_one_over_the_number_of_classes_of_the_mean(limit):
    pseudo = torch.randint(-1, 3, (2, 4, 5), generator=seeded())
    hard = (pseudo >= 0) & (torch.rand(2, 4, 5, generator=seeded(1)) > 0.4)
    queries = choose_queries(hard, pseudo, torch.tensor([True, True, True, False]), limit, seeded(2))
    assert len(queries.index) == min(limit, 40)
    taken = queries.used
    assert taken.sum() == min(limit, hard.sum()) and len(queries.index.unique()) == len(queries.index)
    assert hard.flatten()[queries.index[taken]].all()
    assert torch.equal(queries.classes[taken], pseudo.flatten()[queries.index[taken]])
    sums = torch.zeros(3).index_add(0, queries.classes[taken], queries.weight[taken] / taken.sum())
    torch.testing.assert_close(sums[queries.classes[taken].unique()], torch.tensor(1 / 3).expand((sums > 0).sum()))
