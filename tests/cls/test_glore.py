"""The graph reasoning unit against the published implementation."""

import numpy as np
import pytest
import torch

from cls.glore import GloRe


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
