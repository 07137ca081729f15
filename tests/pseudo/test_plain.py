"""The fast label rules against their definitions, pixel by pixel in floating point, on random maps, bit by bit."""

import numpy as np
import pytest

from common.files.maps import look_up, normalise, resize_map
from pseudo.background import extract_background, extract_background_plain
from pseudo.nsrm import mask_non_salient
from pseudo.pom import (
    class_threshold,
    class_threshold_plain,
    mine_potential_objects,
    mine_potential_objects_plain,
)
from tests.wiring import plain_labels as plain

SIZES = [(30, 40), (17, 5), (1, 9), (1, 1)]


def random_map(rng, size):
    """Constant, empty, of few levels (many ties), of all levels, or smooth."""
    kind = rng.integers(5)
    if kind < 2:
        return np.full(size, kind * rng.integers(256), np.uint8)
    if kind == 2:
        return rng.choice(rng.integers(0, 256, 3), size).astype(np.uint8)
    if kind == 3:
        return rng.integers(0, 256, size, np.uint8)
    return resize_map(rng.integers(0, 256, (5, 5), np.uint8), size)


def random_case(rng):
    """saliency, OA-CAMs and CAMs of some of the classes; some OA-CAMs tie with each other or with the saliency."""
    size = SIZES[rng.integers(len(SIZES))]
    saliency = random_map(rng, size)
    classes = rng.choice(20, rng.integers(0, 5), replace=False).tolist()
    oa_cams, cams = ({cls: random_map(rng, size) for cls in classes if rng.random() < 0.9} for _ in range(2))
    for cls in oa_cams:
        if rng.random() < 0.3:
            oa_cams[cls] = 255 - saliency if rng.random() < 0.5 else oa_cams[min(oa_cams)]
    return saliency, oa_cams, cams


def assert_same(found, expected):
    assert found.dtype == expected.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", range(10))
def test_same_labels(seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        saliency, oa_cams, cams = random_case(rng)
        thresholds = (
            (0.3, 0.9, 0.8, 32) if rng.random() < 0.5 else (*rng.choice([0, rng.random()], 3), rng.integers(256))
        )
        label = extract_background(saliency, oa_cams, *thresholds)
        assert_same(label, extract_background_plain(saliency, oa_cams, *thresholds))
        for initial in (label, rng.choice([0, 255, *(cls + 1 for cls in cams)], label.shape).astype(np.uint8)):
            t_bg = rng.choice([0, 0.3, rng.random()])
            assert_same(mine_potential_objects(initial, cams, t_bg), mine_potential_objects_plain(initial, cams, t_bg))
            for cls, cam in cams.items():
                found = class_threshold(cam, initial == cls + 1, t_bg)
                expected = class_threshold_plain(cam, initial == cls + 1, t_bg)
                np.testing.assert_array_equal(found, expected)
            prediction = rng.choice([0, 0, 0, 5], label.shape).astype(np.uint8)
            size, sparse = rng.integers(1, 5), np.where(rng.random(label.shape) < 0.9, 0, saliency)
            for above in (0, int(rng.integers(1, 255))):
                masked = mask_non_salient(prediction, initial, sparse, size, salient_above=above)
                assert_same(masked, plain.masking(prediction, initial, sparse, size, above=above))


def test_look_up_and_normalise():
    rng = np.random.default_rng(0)
    for size in SIZES:
        map_, table = random_map(rng, size), rng.random(256)
        for values in (table, table.astype(np.float32), table > 0.5):
            found = look_up(values, map_)
            assert found.dtype == values.dtype
            np.testing.assert_array_equal(found, values[map_])
        np.testing.assert_array_equal(normalise(map_), plain.spread(map_))
