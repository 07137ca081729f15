"""The order of the images: whole epochs, resumable anywhere, the same whatever the start; and the loop of a training."""

import math
import os
import signal
from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import default_collate

from common import interruption
from common.files import InputError
from common.training import ShuffledBatches, iterate


class Loader:
    """Batches of one number each, of images named by their index."""

    def __init__(self, *batches):
        self.batches = batches
        self.dataset = SimpleNamespace(items=[SimpleNamespace(id=f"image{index}") for index in range(9)])

    def __iter__(self):
        return iter([{"image": torch.tensor([[x]]), "index": torch.tensor([i])} for i, x in enumerate(self.batches)])


def train(out, loader, step=None, total=None, start=0, **more):
    """Runs `iterate` with the loss w x, w = 1 at the start, lr = 1. Returns the model."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(model.weight)
    args = Namespace(**{"out": out, "save_minutes": 10, "save_every": None, "deterministic": False} | more)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    step = step or (lambda iteration, batch: model(batch["image"]).sum())
    iterate(args, model, optimizer, loader, step, total or len(loader.batches), start)
    return model


def test_a_process_may_go_on_with_an_empty_share(tmp_path):
    class Empty(Loader):
        dataset = {(0, 0): {"image": torch.ones(3), "index": 0}}
        collate_fn = staticmethod(default_collate)

        def __init__(self):
            pass

        def __iter__(self):
            return iter([None, {"image": torch.ones(2, 3), "index": torch.tensor([0, 0])}])

    layer, sizes = torch.nn.Linear(3, 1), []

    def step(iteration, batch):
        sizes.append(len(batch["image"]))
        return layer(batch["image"]).sum()

    train(tmp_path, Empty(), step, total=12, start=10)
    assert sizes == [0, 2]


def test_every_step_counts(tmp_path):
    assert train(tmp_path, Loader(0.5, 0.25, 2.0)).weight.item() == 1 - 0.5 - 0.25 - 2


def test_a_loss_that_is_not_finite_stops_and_names_its_own_images(tmp_path):
    with pytest.raises(InputError, match="the loss is nan at iteration 11, images image1:"):
        train(tmp_path, Loader(1.0, math.nan, 1.0, 1.0), total=14, start=10)
    with pytest.raises(InputError, match="the loss is -inf at iteration 3, images image3:"):  # the last
        train(tmp_path, Loader(1.0, 1.0, 1.0, math.inf))


def test_what_is_not_finite_is_never_saved(tmp_path):
    """The loss of a step is looked at one step late, but always before a checkpoint."""
    for save_every in (1, 2, 3):
        with pytest.raises(InputError, match="at iteration 1, images image1:"):
            train(tmp_path, Loader(1.0, math.nan, 1.0, 1.0), save_every=save_every)
        saved = tmp_path / "training.pth"
        assert saved.exists() == (save_every == 1)
        if saved.exists():
            state = torch.load(saved, weights_only=False)
            assert state["iteration"] == 1 and state["model"]["weight"].isfinite().all()
            saved.unlink()


def test_a_signal_stops_with_a_checkpoint_of_what_was_done(tmp_path):
    interruption.listen()
    seen = []

    def step(iteration, batch):
        seen.append(iteration)
        if iteration == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch["image"].sum() + torch.zeros((), requires_grad=True)

    try:
        with pytest.raises(interruption.Interrupted):
            train(tmp_path, Loader(*[1.0] * 9), step)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interruption._received = None
    assert len(seen) <= 4 and torch.load(tmp_path / "training.pth", weights_only=False)["iteration"] == len(seen)


def test_every_epoch_is_a_permutation():
    batches = list(ShuffledBatches(7, 3, 6, seed=1, whole_epochs=True))
    assert [len(batch) for batch in batches] == [3, 3, 1, 3, 3, 1]
    first = [index for batch in batches[:3] for _, index in batch]
    second = [index for batch in batches[3:] for _, index in batch]
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert [position for batch in batches for position, _ in batch] == list(range(14))


def test_batches_are_full_across_epochs():
    batches = list(ShuffledBatches(7, 5, 7, seed=1))
    assert all(len(batch) == 5 for batch in batches)
    indices = [index for batch in batches for _, index in batch]
    for epoch in range(5):
        assert sorted(indices[7 * epoch : 7 * epoch + 7]) == list(range(7))


def test_a_start_in_the_middle_goes_on_as_before():
    for whole_epochs in (True, False):
        everything = list(ShuffledBatches(7, 3, 20, seed=4, whole_epochs=whole_epochs))
        assert list(ShuffledBatches(7, 3, 20, seed=4, start=11, whole_epochs=whole_epochs)) == everything[11:]


def test_small_data_sets_fill_large_batches():
    (batch,) = ShuffledBatches(2, 5, 1, seed=0)
    assert len(batch) == 5


def test_seeds_differ():
    assert list(ShuffledBatches(9, 9, 1, seed=0)) != list(ShuffledBatches(9, 9, 1, seed=1))
