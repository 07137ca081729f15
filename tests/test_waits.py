"""No step of a training asks for what would make a GPU wait, seen on a CPU: by the operators that its loop calls.

tests/test_cuda.py looks at the GPU itself, where there is one.
"""

from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import trainings
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from common.files.preprocess import normalise
from common.training import loading
from fbr.losses import FBR
from fbr.settings import Settings
from tests.test_cuda import MAPS, make_maps

# how large their result is depends on the values
SIZES = {"nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount", "repeat_interleave"}


class Refusal(Exception):
    """An operator that would make a GPU wait."""


class NoWaiting(TorchDispatchMode):
    """Raises Refusal at an operator that would make a GPU wait if all tensors but those made of numbers were there.

    Those of torch.tensor(…), and the number in `tensor[index] = number`, are on the CPU: reading one costs nothing, but
    where an operator needs it on the GPU, a copy is waited for. A single number needs none, but in index_put.
    """

    def __init__(self):
        super().__init__()
        self.made_here = []  # kept, so that no other tensor gets the identity of one of them

    def is_made_here(self, tensor):
        return any(tensor is each for each in self.made_here)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::").rstrip("_")
        result = func(*args, **(kwargs or {}))
        if name == "lift_fresh":
            self.made_here.append(result)
            return result
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        waits = name in SIZES or name == "_local_scalar_dense" and not self.is_made_here(args[0])
        if name in ("index", "index_put"):
            waits |= any(each is not None and each.dtype == torch.bool for each in args[1])
        waits |= any(self.is_made_here(each) and (each.dim() or name == "index_put") for each in tensors)
        if waits:
            raise Refusal(f"{func} of {[tuple(each.shape) for each in tensors]}")
        return result


CALLS = [  # (whether it would wait, what is done to float32 x (4,) and int64 i (2,))
    (True, lambda x, i: x.sum().item()),
    (True, lambda x, i: float(x.max())),
    (True, lambda x, i: bool(x.any())),
    (True, lambda x, i: x.nonzero()),
    (True, lambda x, i: x[x > 0]),
    (True, lambda x, i: x.unique()),
    (True, lambda x, i: x.__setitem__(i, 1.0)),
    (True, lambda x, i: x.__setitem__(x > 0, x[1:] + 1)),
    (True, lambda x, i: x * torch.tensor([1.0, 2, 3, 4], device=x.device)),
    (True, lambda x, i: x + x.new_tensor([1.0])),
    (False, lambda x, i: x.index_fill_(0, i, 1.0)),
    (False, lambda x, i: x.__setitem__(i, x[:2] + 1)),
    (False, lambda x, i: x.__setitem__(slice(1, 3), 1.0)),
    (False, lambda x, i: x.masked_fill(x > 0, 1.0).where(x < 0, 2)),
    (False, lambda x, i: int(torch.tensor(len(x)))),
    (False, lambda x, i: x[i] * torch.full((), 2.0)),
]


@pytest.mark.parametrize(("waits", "call"), CALLS)
def test_what_waits_is_refused(waits, call):
    x, i = torch.arange(4.0), torch.tensor([1, 2])
    try:
        with NoWaiting():
            call(x, i)
    except Refusal:
        assert waits
    else:
        assert not waits


NAMES = list(trainings.commands(Path()))


@pytest.fixture
def refuse(drawn, monkeypatch):
    """`refuse(name, *options)` runs a training's loop over all of its epochs, after the first step under NoWaiting.

    What is watched is found in every step.
    """
    monkeypatch.setattr("common.training.loop.LOG_EVERY", 1)
    # on a CPU, PyTorch's own reads the largest index to check it; on a GPU it does not
    monkeypatch.setattr(functional, "one_hot", lambda x, count: (x[..., None] == torch.arange(count)).long())
    adam = torch.optim.Adam  # reads its own count of steps unless it is fused, as on a GPU
    monkeypatch.setattr(torch.optim, "Adam", lambda groups, **more: adam(groups, **more | {"fused": True}))

    def run(name, *options):
        module, arguments = trainings.commands(drawn, "all", thin=True)[name]
        return trainings.run((module, (*arguments, *options, "--workers", 0)), torch.device("cpu"), watched)

    return run


def watched(run, loader):
    """For trainings.run: a step, and eight under NoWaiting, whose number it returns."""
    batches, steps = trainings.endless(run, loader), 0
    yield next(batches)
    with NoWaiting():
        for batch in islice(batches, 8):
            yield batch
            steps += 1
    return steps


@pytest.mark.parametrize("name", NAMES)
def test_no_step_waits(name, refuse):
    assert refuse(name) == 8


@pytest.mark.parametrize(
    "options", [("--labels", "refined"), ("--labels", "saliency", "--random-nrois"), ("--diagnose",)], ids=" ".join
)
def test_no_step_of_fbr_waits(options, refuse):
    assert refuse("fbr.train", *options) == 8


@pytest.mark.parametrize("kind", MAPS)
def test_no_batch_of_maps_waits(kind, drawn, tmp_path, monkeypatch):
    make_loader = loading.make_loader
    normalise(torch.zeros(1, 1, 1, 3), "torchvision")  # whose constants are copied once

    def computed(outputs):
        while True:
            with NoWaiting():
                found = next(outputs, None)
            if found is None:
                return
            yield found

    monkeypatch.setattr("common.training.loading.make_loader", lambda *given: list(make_loader(*given)))
    monkeypatch.setattr("common.training.device.pipelined", computed)
    assert len(make_maps(kind, drawn, tmp_path / "out", "cpu")) >= 6


def test_steps_of_fbr_are_measured_with_a_full_bank():
    fbr = FBR(4, Settings(bank_size=5))
    trainings.steady(SimpleNamespace(epoch_length=3, bare_model=SimpleNamespace(fbr=fbr)))
    assert fbr.bank.filled == 5
