"""What the lattice does with long rows, large tables and far colours; test_dense.py compares it with pydensecrf."""

import pytest
import torch

from common.crf.lattice import (
    Lattice,
    Matrix,
    split_rows,
)
from stages.files import InputError


@pytest.mark.parametrize("limit", [3, 4, 64, 300])
def test_rows_that_are_too_long_are_split(limit):
    """Of all lengths around the limits, among them empty ones at either end, which start or end at cuts or do not."""
    torch.manual_seed(0)
    lengths = torch.tensor([0, 4, 1, 3, 0, 4, 64, 65, 5, 0, 300, 63, 17, 2, 0, 0])
    starts = torch.cat([torch.zeros(1), lengths.cumsum(0)]).int()
    whole = Matrix(torch.randint(20, (int(starts[-1]),)).int(), starts, torch.rand(int(starts[-1])))
    factors, table = split_rows(whole, limit), torch.rand(20, 5)
    assert len(factors) == {3: 6, 4: 5, 64: 2, 300: 1}[limit]
    result = table
    for factor in factors:
        assert factor.starts.diff().min() >= 0 and factor.starts.diff().max() <= limit
        assert factor.starts[-1] == len(factor.indices)
        result = factor.times(result)
    torch.testing.assert_close(result, whole.times(table))
    assert factors[0].values is whole.values and factors[0].indices is whole.indices


def test_a_table_in_parts_is_the_whole(monkeypatch):
    torch.manual_seed(0)
    values = torch.rand(300, 21)
    lattice = Lattice(3 * torch.randn(5, 300))
    expected = lattice(values)
    monkeypatch.setattr("common.crf.lattice.CPU_TABLE", 1)
    calls = []
    monkeypatch.setattr(lattice, "_filter", lambda part: calls.append(part.shape) or Lattice._filter(lattice, part))
    torch.testing.assert_close(lattice(values), expected)
    assert calls == [(300, 7)] * 3


@pytest.mark.parametrize("scale", [1e9, float("inf"), float("nan"), 4e4])
def test_features_that_spread_too_far_are_refused(scale):
    torch.manual_seed(0)
    with pytest.raises(InputError, match="standard deviations are too small"):
        Lattice(scale * torch.rand(5, 50))
    if scale == 4e4:  # too many cells for a key, but in two dimensions few enough
        Lattice(scale * torch.rand(2, 50))
