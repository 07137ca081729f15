"""The loop of a training; the order of the images is compared in tests/wiring."""

import math
import os
import signal
from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch

from common.training.loop import Training
from stages import interruption
from stages.files import InputError
from tests.outputs import scalars


class Numbers:
    """Images of one number each; the sample at position p is the p-th, named image<p>."""

    def __init__(self, *values):
        self.values = values
        self.items = [SimpleNamespace(id=f"image{index}") for index in range(len(values))]

    def __len__(self):
        return len(self.values)

    def __getitem__(self, sample):
        position, _ = sample
        return {"image": torch.tensor([self.values[position]]), "index": position}


class State:
    """What must survive beside the weights: how many steps it has seen."""

    steps = 0

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


def train(out, images, losses=None, state=None, watched=None, **more):
    """Runs a training with the loss w x, w = 1 at the start, lr = 1, a step an image. Returns the model.

    `losses` and `watched` are functions of the iteration and the output.
    """
    args = {"out": out, "save_minutes": 10, "save_every": None, "deterministic": False, "seed": 0, "batch_size": 1}
    args = Namespace(**args | {"workers": 0, "amp": False} | more)
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    losses = losses or (lambda iteration, output: {"first": output[:, 0]})
    state = state or State()
    with Training(args, model, optimizer, images, torch.device("cpu"), epochs=1, state={"state": state}) as training:
        for iteration, batch in training:
            state.steps += 1
            output = training.model(batch["image"])
            training.step(losses(iteration, output), watched and watched(iteration, output))
    return model


def test_losses_are_added_up_and_logged_by_name(tmp_path):
    def losses(iteration, output):
        return {"one": output[:, 0], "two": 3 * output[:, 0]}

    assert train(tmp_path, Numbers(0.5, 0.25), losses).weight.item() == 1 - 4 * 0.75
    log = scalars(tmp_path)
    assert [*log["loss/two"].values()] == [1.5, 0.25 * 3 * (1 - 4 * 0.5)]
    assert {"loss/one", "lr", "waiting for data"} < log.keys()


def test_what_is_watched_is_logged_beside_the_losses_and_counts_nothing(tmp_path):
    """Every ten iterations, or where a checkpoint is written; in steps that have it; it may be anything."""

    def watched(iteration, output):
        return {"weight": output.sum() + 5, "iteration": output.new_tensor(iteration)} if iteration % 5 == 0 else None

    def endless(iteration, output):
        return {"endless": output.new_tensor(math.inf)}

    images = Numbers(*[0.0] * 20, 0.5, 0.25)
    assert train(tmp_path / "a", images, watched=watched).weight.item() == 1 - 0.5 - 0.25
    log = scalars(tmp_path / "a")
    assert log["weight"] == {0: 5.0, 10: 5.0, 20: 5.5} and [*log["iteration"].values()] == [0, 10, 20]
    assert {"loss/weight", "loss/iteration"}.isdisjoint(log)
    train(tmp_path / "b", Numbers(1.0), watched=endless)


def test_a_loss_that_is_not_finite_stops_and_names_itself_and_its_own_images(tmp_path):
    with pytest.raises(InputError, match=r"the first loss is nan at iteration 1 \(first loss nan\), images image1:"):
        train(tmp_path, Numbers(1.0, math.nan, 1.0, 1.0))
    with pytest.raises(InputError, match=r"the first loss is -inf at iteration 3 .*, images image3:"):  # the last
        train(tmp_path, Numbers(1.0, 1.0, 1.0, math.inf))
    with pytest.raises(
        InputError, match=r"the second loss is nan at iteration 2 \(first loss -3, second loss nan\), images image2:"
    ):
        train(
            tmp_path,
            Numbers(1.0, 1.0, 1.0),
            lambda iteration, output: {
                "first": output[:, 0],
                "second": output[:, 0] * (math.nan if iteration == 2 else 1),
            },
        )


@pytest.mark.parametrize("save_every", [None, 1, 2])
def test_a_gradient_that_is_not_finite_names_its_own_step(tmp_path, save_every):
    """The loss of that step is finite; those of the next are not, and a checkpoint would be of no use."""

    def losses(iteration, output):
        root = (0 * output[:, 0]).sqrt() if iteration == 2 else 0  # 0, with the gradient 0 / 0
        return {"first": 0.5 + output[:, 0] + root, "second": 2 * output[:, 0]}

    expected = r"the gradient is nan at iteration 2 \(first loss 0.5, second loss 0\), images image2:"
    with pytest.raises(InputError, match=expected):
        train(tmp_path, Numbers(1.0, 0.5, 0.0, 1.0, 1.0), losses, save_every=save_every)
    saved = tmp_path / "training.pth"
    assert saved.exists() == (save_every is not None)
    if saved.exists():
        state = torch.load(saved, weights_only=False)
        assert state["iteration"] == 2 and state["model"]["weight"].isfinite().all()


def test_what_is_not_finite_is_never_saved(tmp_path):
    """The loss of a step is looked at one step late, but always before a checkpoint."""
    for save_every in (1, 2, 3):
        with pytest.raises(InputError, match="at iteration 1 .*, images image1:"):
            train(tmp_path, Numbers(1.0, math.nan, 1.0, 1.0), save_every=save_every)
        saved = tmp_path / "training.pth"
        assert saved.exists() == (save_every == 1)
        if saved.exists():
            state = torch.load(saved, weights_only=False)
            assert state["iteration"] == 1 and state["model"]["weight"].isfinite().all()
            saved.unlink()


def test_a_training_goes_on_with_its_state(tmp_path):
    def losses(iteration, output):
        if iteration == 3:
            raise KeyboardInterrupt
        return {"first": output[:, 0]}

    images, state = Numbers(0.5, 0.25, 2.0, 0.125), State()
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, images, losses, save_every=2)
    assert train(tmp_path, images, state=state).weight.item() == 1 - 0.5 - 0.25 - 2 - 0.125
    assert state.steps == 4


def test_a_signal_stops_with_a_checkpoint_of_what_was_done(tmp_path):
    interruption.listen()
    seen = []

    def losses(iteration, output):
        seen.append(iteration)
        if iteration == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"first": output[:, 0]}

    try:
        with pytest.raises(interruption.Interrupted):
            train(tmp_path, Numbers(*[1.0] * 9), losses)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interruption._received = None
    assert len(seen) <= 4 and torch.load(tmp_path / "training.pth", weights_only=False)["iteration"] == len(seen)
