"""The mean of a loss over the batch of all processes, as the training's step takes it."""

import pytest
import torch

from common.training.losses import Loss, means


def test_a_loss_is_the_mean_of_the_elements_that_count():
    values = torch.tensor([[1.0, 2.0], [4.0, float("nan")]], requires_grad=True)
    counting = torch.tensor([[True, False], [True, False]])
    found = means(
        {"all": values[0], "some": Loss(values, counting), "sum": [Loss(values, counting), Loss(values[:, 0])]}
    )
    assert {name: each.item() for name, each in found.items()} == {"all": 1.5, "some": 2.5, "sum": 5.0}
    found["some"].backward()
    assert values.grad.tolist() == [[0.5, 0], [0.5, 0]]


def test_nothing_that_counts_gives_0():
    values = torch.ones(3, 2, requires_grad=True)
    found = means({"none": Loss(values, torch.zeros(3, 2, dtype=torch.bool)), "empty": values[:0]})
    assert [each.item() for each in found.values()] == [0, 0]
    sum(found.values()).backward()
    assert not values.grad.any()


def test_many_elements_are_counted_exactly():
    """float32 cannot count to 2^24 + 1."""
    count = 2**24 + 1
    values, counting = torch.ones(1).expand(count), torch.ones(1, dtype=torch.bool).expand(count)
    for loss in (values, Loss(values, counting)):
        assert means({"it": loss})["it"].item() == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize(
    "loss", [torch.ones(2).mean(), Loss(torch.tensor(1.0)), [Loss(torch.ones(2)), torch.tensor(1.0)]]
)
def test_a_scalar_is_refused(loss):
    with pytest.raises(ValueError, match='the own loss is a scalar: expected its elements, as reduction="none"'):
        means({"own": loss})


@pytest.mark.parametrize("mask", [torch.ones(2), torch.ones(3, dtype=torch.bool), torch.ones(2, 1, dtype=torch.bool)])
def test_a_mask_that_does_not_fit_is_refused(mask):
    with pytest.raises(ValueError, match=r"the own loss: expected a bool mask of shape \(2,\), found torch"):
        means({"own": Loss(torch.ones(2), mask)})
