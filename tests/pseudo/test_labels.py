"""The three label functions against the published implementation, and the rules that its cases do not show."""

import numpy as np
import pytest

from pseudo.background import extract_background, extract_background_plain
from pseudo.nsrm import mask_non_salient
from pseudo.pom import mine_potential_objects, mine_potential_objects_plain


@pytest.fixture(scope="module")
def golden(golden_file):
    """{case: {name: array, "oa_cam" and "cam": {class: map}}}"""
    cases = {}
    for key, array in golden_file("labels").items():
        case, name, *cls = key.split("/")
        case = cases.setdefault(case, {"oa_cam": {}, "cam": {}})
        if cls:
            case[name][int(cls[0])] = array
        else:
            case[name] = array
    assert len(cases) == 36
    return cases


@pytest.mark.parametrize(
    "extract, mine",
    [(extract_background, mine_potential_objects), (extract_background_plain, mine_potential_objects_plain)],
    ids=["fast", "plain"],
)
@pytest.mark.parametrize("number", range(36))
def test_labels_equal_the_published_ones(golden, number, extract, mine):
    case = golden[f"case_{number:03d}"]
    initial = extract(case["saliency"], case["oa_cam"])
    np.testing.assert_array_equal(initial, case["initial_label"])
    pseudo = mine(initial, case["cam"])
    np.testing.assert_array_equal(pseudo, case["pseudo_label"])
    masked = case["prediction"]
    if len(case["classes"]) > 1:
        masked = mask_non_salient(case["prediction"], pseudo, case["saliency"])
    np.testing.assert_array_equal(masked, case["masked_label"])
    assert {label.dtype for label in (initial, pseudo, masked)} == {np.dtype(np.uint8)}


def test_almost_empty_labels_are_ignored():
    saliency, oa_cam = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    saliency[0, :3] = oa_cam[0, :3] = 255
    assert (extract_background(saliency, {0: oa_cam}) == 255).all()  # 3 of 400 pixels
    saliency[0, :4] = oa_cam[0, :4] = 255
    assert (extract_background(saliency, {0: oa_cam}) == 0).any()  # 4 of 400: exactly 1 %
