"""NROIs: the k-means of each image's background, and the bank, against plain versions and the published bank."""

from collections import deque

import pytest
import torch
from scipy.cluster.vq import kmeans2

from fbr.nroi import NROIBank, extract_nrois, random_pixels


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def grid(points, width=10):
    """(N, D) -> features (1, D, N / width, width)."""
    return points.T.reshape(1, points.shape[1], -1, width)


def everywhere(features):
    return torch.ones(len(features), *features.shape[2:], dtype=torch.bool)


def in_order(rows):
    return torch.tensor(sorted(rows.tolist()))


def blobs(centres, count=10):
    """`count` points near each of the centres (K, D), shuffled, and the blobs' means."""
    points = centres[:, None] + 0.1 * torch.randn(len(centres), count, centres.shape[1], generator=seeded())
    return points.flatten(0, 1)[torch.randperm(len(centres) * count, generator=seeded())], points.mean(1)


def test_background_alone_counts():
    """Objects lie far away, and nearer to each other than anything else: neither the start nor a mean may have them."""
    points, means = blobs(torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]]))
    objects = 100 + torch.rand(20, 2, generator=seeded())
    order = torch.randperm(50, generator=seeded(1))
    features = grid(torch.cat([points, objects])[order])
    background = (order < 30).view(1, 5, 10)
    for seed in range(5):
        nrois, valid = extract_nrois(features, background, 3, [seed])
        assert valid.all()
        torch.testing.assert_close(in_order(nrois[0]), in_order(means), atol=1e-4, rtol=0)


@pytest.mark.parametrize("extract", [extract_nrois, random_pixels])
def test_an_image_depends_on_no_other_of_the_batch(extract):
    features = torch.rand(4, 6, 8, 10, generator=seeded())
    background = torch.rand(4, 8, 10, generator=seeded(1)) > 0.4
    background[1] = False
    background[2].fill_(False)[0, :3] = True
    nrois, valid = extract(features, background, 8, [7, 8, 9, 10])
    for i in range(4):
        alone, valid_alone = extract(features[i : i + 1], background[i : i + 1], 8, [7 + i])
        assert torch.equal(valid[i], valid_alone[0])
        torch.testing.assert_close(nrois[i][valid[i]], alone[0][valid[i]], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("extract", [extract_nrois, random_pixels])
@pytest.mark.parametrize("count", [0, 1, 5, 8])
def test_few_background_pixels_are_their_own_nrois(extract, count):
    features = torch.rand(1, 3, 4, 5, generator=seeded())
    background = torch.zeros(1, 20, dtype=torch.bool)
    background[0, torch.randperm(20, generator=seeded(1))[:count]] = True
    nrois, valid = extract(features, background.view(1, 4, 5), 8, [0])
    assert nrois.shape == (1, 8, 3) and valid.sum() == count
    assert torch.equal(in_order(nrois[valid]), in_order(features.flatten(2)[0].T[background[0]]))


@pytest.mark.parametrize("clusters, reference", [(0, min), (12, lambda starts: sum(starts) / len(starts))])
def test_squared_distances_are_not_worse_than_scipys(clusters, reference):
    """Even noise: than the best of four starts; more clusters than centres, where starts matter: than their average."""
    generator = seeded(4)
    points = torch.rand(10, 300, 5, generator=generator)
    if clusters:
        centres = torch.rand(10, clusters, 5, generator=generator)
        points = centres[:, torch.arange(300) % clusters] + 0.1 * points

    def squares(points, centres):
        return torch.cdist(points, centres).square().min(1).values.sum().item()

    features = torch.cat([grid(each) for each in points])
    ours, _ = extract_nrois(features, everywhere(features), 8, range(10))
    theirs = [[kmeans2(each.numpy(), 8, 20, minit="++", seed=seed)[0] for seed in range(4)] for each in points]
    theirs = [reference([squares(each, torch.tensor(c)) for c in found]) for each, found in zip(points, theirs)]
    assert sum(map(squares, points, ours)) <= 1.1 * sum(theirs)


def test_random_pixels_are_distinct_background_pixels_and_any_of_them():
    features = torch.arange(40.0).view(1, 1, 4, 10)
    background = (features[0] % 3 == 0) & (features[0] > 2)
    drawn = torch.cat([random_pixels(features, background, 5, [seed])[0] for seed in range(200)])[..., 0].long()
    assert all(len(set(row)) == 5 for row in drawn.tolist())
    counts = drawn.flatten().bincount(minlength=40).float()
    share = 5 / background.sum()
    assert (counts[~background.flatten()] == 0).all()
    assert ((counts[background.flatten()] - 200 * share).abs() < 4 * (200 * share * (1 - share)).sqrt()).all()


def contents(bank):
    """The NROIs of the bank, the oldest first."""
    rows, position, filled = bank.rows[:-1], bank.position.item(), bank.filled.item()
    return torch.cat([rows[position:], rows[:position]])[-filled:] if filled == len(rows) else rows[:filled]


def test_bank_equals_the_published_one(golden_file):
    golden = golden_file("fbr")
    bank = NROIBank(4, 20)
    for step in range(6):
        features, mask = (torch.tensor(golden[f"bank/step_{step}/{name}"]) for name in ("features", "mask"))
        bank.push(features.flatten(0, 1), mask.flatten())
        assert torch.equal(contents(bank), torch.tensor(golden[f"bank/step_{step}/bank"]))


@pytest.mark.parametrize("masked", [False, True])
def test_bank_is_first_in_first_out(masked):
    bank, expected, generator = NROIBank(1, 7), deque(maxlen=7), seeded()
    for count in (3, 0, 2, 4, 7, 1, 20, 6, 15, 0, 8):
        nrois = torch.rand(count, 1, generator=generator)
        valid = torch.rand(count, generator=generator) > 0.4 if masked else None
        bank.push(nrois, valid)
        expected.extend((nrois[valid] if masked else nrois)[:, 0].tolist())
        assert contents(bank)[:, 0].tolist() == list(expected)


@pytest.mark.parametrize("pushed", [1, 6, 10, 13])
def test_draws_are_uniform_over_what_was_pushed(pushed):
    bank = NROIBank(1, 10)
    bank.push(1 + torch.arange(float(pushed))[:, None])
    drawn = bank.draw((100, 1000), seeded())
    assert drawn.shape == (100, 1000, 1)
    counts = drawn.long().flatten().bincount(minlength=pushed + 1)
    held = min(pushed, 10)
    assert counts[: pushed - held + 1].sum() == 0
    assert ((counts[-held:] - 1e5 / held).abs() <= 4 * (1e5 / held * (1 - 1 / held)) ** 0.5).all()


def test_an_empty_bank_gives_zeros():
    assert torch.equal(NROIBank(3, 5).draw((2, 4), seeded()), torch.zeros(2, 4, 3))
