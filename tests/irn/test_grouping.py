"""Centroids, groups and detections, against the published ones and cases that one sees through."""

from math import ceil, floor

import numpy as np
import pytest
import torch

import irn.grouping
from irn.grouping import detections, groups


def centroids(displacement, steps=300):
    """irn.grouping.centroids of one map, as arrays."""
    return irn.grouping.centroids(torch.from_numpy(displacement)[None], steps=steps)[0].numpy()


@pytest.fixture
def golden(golden_file):
    prefix = "irn_instances/"
    return {name.removeprefix(prefix): value for name, value in golden_file("fbr").items() if name.startswith(prefix)}


def plain_centroid(displacement, y, x, steps):
    """Where the pixel (y, x) ends, place by place."""
    height, width = displacement.shape[1:]
    for _ in range(steps):
        top, left, down, right = floor(y), floor(x), y - floor(y), x - floor(x)
        bottom, other = ceil(y), ceil(x)
        upper = (1 - right) * displacement[:, top, left] + right * displacement[:, top, other]
        lower = (1 - right) * displacement[:, bottom, left] + right * displacement[:, bottom, other]
        down_by, right_by = (1 - down) * upper + down * lower
        y, x = min(max(y + down_by, 0), height - 1), min(max(x + right_by, 0), width - 1)
    return round(y), round(x)


def test_centroids_and_groups_equal_the_published_ones(golden):
    found = centroids(golden["displacement"])
    np.testing.assert_array_equal(found, golden["centroids"])
    np.testing.assert_array_equal(groups(found, golden["displacement"]), golden["clusters"])


def test_detections_equal_the_published_ones(golden):
    masks, classes, scores = detections(golden["masks"], golden["activity"], golden["classes"])
    np.testing.assert_array_equal(masks, golden["found_mask"])
    np.testing.assert_array_equal(classes, golden["found_class"])
    np.testing.assert_array_equal(scores, golden["found_score"])


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_every_pixel_moves_by_the_displacement_of_where_it_is(steps):
    displacement = np.random.default_rng(steps).normal(size=(2, 7, 9))
    displacement[:, 0] = -20  # out of the map, where they stay at its edge
    found = centroids(displacement, steps)
    for y, x in np.ndindex(7, 9):
        assert tuple(found[:, y, x]) == plain_centroid(displacement, y, x, steps)


def test_centroids_in_no_component_are_the_first_group_and_a_component_without_any_is_none():
    displacement = np.full((2, 4, 4), 5.0)
    for place in ((0, 3), (1, 2), (3, 0)):  # the first two touch at a corner only
        displacement[(slice(None), *place)] = 0
    ends = np.zeros((2, 4, 4), int)  # (0, 0), where the displacement is large
    ends[:, 1], ends[:, 2] = [[1], [2]], [[0], [3]]
    found = groups(ends, displacement)
    rows = [[0, 3], [2], [1]]  # the group of (0, 3) comes before that of (1, 2), and (3, 0) is no pixel's
    assert [np.flatnonzero(mask.any(1)).tolist() for mask in found] == rows and found.sum() == 16


def test_the_length_of_a_displacement_counts_and_the_threshold_is_not_below_itself():
    displacement = np.zeros((2, 1, 4))
    displacement[0], displacement[1] = [2, 2, 1.5, 0], [2, 1.4, 2, 2.5]  # 2.83, 2.44, 2.5, 2.5
    ends = np.stack(np.indices((1, 4)))
    np.testing.assert_array_equal(groups(ends, displacement)[:, 0], [[1, 0, 1, 1], [0, 1, 0, 0]])


def test_a_component_of_just_the_least_size_keeps_its_score():
    masks = np.zeros((1, 10, 20), bool)
    masks[0, 4, 3:5] = True
    assert detections(masks, np.ones(masks.shape), [1])[2] == [1]
    masks[0, 4, 3] = False
    assert detections(masks, np.ones(masks.shape), [1])[2] == [0]


def test_a_smaller_map_in_a_batch_is_as_if_alone():
    rng = np.random.default_rng(0)
    large, small = rng.normal(size=(2, 9, 8)), rng.normal(size=(2, 6, 5))
    batch = np.full((2, 2, 9, 8), 7.0)  # beside the small map: what would carry its pixels away
    batch[0], batch[1, :, :6, :5] = large, small
    found = irn.grouping.centroids(torch.from_numpy(batch), [(9, 8), (6, 5)], steps=9).numpy()
    np.testing.assert_array_equal(found[0], centroids(large, 9))
    np.testing.assert_array_equal(found[1, :, :6, :5], centroids(small, 9))
