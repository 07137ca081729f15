"""The graph reasoning unit against the published implementation."""

import numpy as np
import pytest
import torch

from cls.glore import GloRe, LocalUnit


@pytest.fixture
def golden(golden_file):
    return {key: torch.from_numpy(np.asarray(array)) for key, array in golden_file("glore").items()}


@pytest.fixture
def unit(golden):
    unit = GloRe(16, 4)
    unit.load_state_dict(
        {key.removeprefix("weight/"): value for key, value in golden.items() if key.startswith("weight/")}
    )
    return unit


def test_outputs_equal_the_published_ones(unit, golden):
    torch.testing.assert_close(unit.eval()(golden["input"]), golden["output_eval"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(unit.train()(golden["input"]), golden["output_train"], atol=1e-5, rtol=1e-5)


def test_gradients_equal_the_published_ones(unit, golden):
    (unit.train()(golden["input"]) ** 2).mean().backward()
    gradients = {name: parameter.grad for name, parameter in unit.named_parameters()}
    expected = {key.removeprefix("grad/"): value for key, value in golden.items() if key.startswith("grad/")}
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], atol=2e-6, rtol=1e-4, msg=name)


def test_distant_pixels_reach_each_other():
    torch.manual_seed(0)
    unit = GloRe(8, 3).eval()
    x = torch.randn(1, 8, 6, 10)
    changed = x.clone()
    changed[:, :, 0, 0] += 3
    difference = (unit(changed) - unit(x)).abs().amax(1)
    assert difference[0, -1, -1] > 1e-4


def test_the_control_keeps_every_pixel_to_itself_and_has_glores_batch_norm():
    torch.manual_seed(0)
    unit, glore = LocalUnit(8, 3).eval(), GloRe(8, 3)
    x = torch.randn(1, 8, 6, 10)
    changed = x.clone()
    changed[:, :, 2, 4] += 3
    touched = (unit(changed) - unit(x)).abs().amax(1)[0] > 0
    assert touched.nonzero().tolist() == [[2, 4]]
    assert repr(unit.blocker) == repr(glore.blocker)
    assert (unit(x) - x).abs().amax() > 1e-3  # it does something
