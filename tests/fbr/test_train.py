"""fbr.train as a command: what it shares with cls.train, what each part does, and where a stopped run goes on."""

import numpy as np
import pytest
import torch

from common.files.dataset import DataSet
from common.files.images import write_indexed
from common.training import loop as training
from tests.outputs import scalars

SIZES = ("--channels", 4, 4, 8, 8, 8, "--depths", 1, 1, 1, 1, 1, "--output-stride", 4, "--input-size", 32, "--nodes", 2)
HERE = ("--device", "cpu", "--workers", 0, "--no-amp")
# four images in batches of three, so the second batch of an epoch is one image; a bank that is soon full
CLS = (*SIZES, *HERE, "--epochs", 3, "--batch-size", 3)
PARTS = ("--centres", 3, "--bank-size", 11, "--negatives", 5, "--queries", 20, "--embedding", 6)
PARTS = (*PARTS, "--prototype-pixels", 4)
WEIGHTS = ("nroi", "intra", "similarity", "segmentation")


def only(*names, weight=0.5):
    """Arguments that leave out all parts but these."""
    return [word for name in WEIGHTS for word in (f"--{name}-weight", weight if name in names else 0)]


@pytest.fixture
def train(here, tiny_data):
    """`train(folder, *more)` runs fbr.train and returns <tmp_path>/<folder>; `name`: another training."""
    own = ("--data", tiny_data, "--split", "train", *CLS)
    return lambda folder, *more, name="fbr.train": here(name, folder, *own, *(PARTS if "fbr" in name else ()), *more)


def results(folder):
    """{name: bytes} of weights and attention maps."""
    return {path.name: path.read_bytes() for path in (folder / "weights.pth", *folder.glob("attention/*.png"))}


# What it has in common with cls.train

NOTHING = {
    "all weights 0": only(),
    "the contrasts' gradient cut": (*only("nroi", "intra"), "--cut-gradient"),
    "never begun": ("--contrast-from", 3),
}


@pytest.mark.parametrize("name", NOTHING)
def test_without_a_part_it_is_cls_train(train, name):
    """Heads move no random number, and what has no gradient changes no bit."""
    plain = results(train("cls", name="cls.train"))
    assert results(train("fbr", *NOTHING[name])) == plain and len(plain) == 8


# Stopped and started again


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", [1, 2, 4])
def test_stopped_anywhere_it_ends_the_same(train, step, monkeypatch):
    """Byte for byte: weights, attention, and all that the last checkpoint holds, the bank among it."""
    whole = train("whole")
    monkeypatch.setattr(training, "Report", dies_in_step(step))
    with pytest.raises(Killed):
        train("parts", "--save-every", 1)
    assert torch.load(whole.parent / "parts/training.pth", weights_only=False)["iteration"] == step
    monkeypatch.undo()
    parts = train("parts")
    assert results(parts) == results(whole)
    ends = [list(leaves(torch.load(folder / "training.pth", weights_only=False))) for folder in (parts, whole)]
    assert ends[0] == ends[1]
    model = torch.load(parts / "training.pth", weights_only=False)["model"]
    assert model["fbr.bank.filled"] == 11 and 0 < model["fbr.bank.position"] < 11


def leaves(content, name=""):
    """(name, value) of all that a checkpoint holds, of tensors their bytes."""
    if isinstance(content, dict | list | tuple):
        pairs = content.items() if isinstance(content, dict) else enumerate(content)
        for key, each in pairs:
            yield from leaves(each, f"{name}/{key}")
    else:
        yield name, content.numpy().tobytes() if isinstance(content, torch.Tensor) else content


def dies_in_step(number):
    original, calls = training.Report, []

    def report(*args):
        calls.append(args)
        if len(calls) == number + 1:
            raise Killed
        return original(*args)

    return report


# What it logs

SHARES = ["hard pixels on objects", "hard pixels on context", "prototypes on objects", "prototypes on context"]
SHARES += ["context as background"]


@pytest.fixture
def with_context(tiny_data):
    """Writes masks of context for the tiny data: all its background."""
    dataset = DataSet(tiny_data)
    (tiny_data / "context").mkdir()
    for item in dataset.split("train"):
        write_indexed(dataset.context_path(item.id), (dataset.ground_truth(item.id) == 0).astype(np.uint8))


def shares(folder):
    numbers = scalars(folder)
    assert "gradient ratio" in numbers and numbers["gradient ratio"][0] > 0
    return [numbers[f"share/{name}"][0] for name in SHARES]


def test_diagnosis_is_logged_and_changes_nothing(train, with_context):
    quiet, told = train("quiet"), train("told", "--diagnose")
    assert results(told) == results(quiet) and not any("share" in name for name in scalars(quiet))
    found = shares(train("from_start", "--diagnose", "--contrast-from", 0))
    hard_object, hard_context, object, context, background = found
    assert all(0 < share < 1 for share in found)
    assert hard_object + hard_context <= 1 and object + context <= 1  # the rest is ground truth that is ignored


def test_diagnosis_of_the_truth(train, with_context):
    found = shares(train("fbr", "--diagnose", "--contrast-from", 0, "--labels", "truth"))
    assert found == [1, 0, 1, 0, 1]


def test_the_gradient_ratio_is_that_of_the_weights(train):
    options = ("--contrast-from", 0, "--epochs", 1)
    one, ten = (scalars(train(f"w{w}", *only("nroi", weight=w), *options))["gradient ratio"][0] for w in (0.1, 1))
    assert ten == pytest.approx(10 * one, rel=1e-4)
    cut = scalars(train("cut", *only("nroi"), *options, "--cut-gradient"))["gradient ratio"][0]
    assert cut == 0
    assert "gradient ratio" not in scalars(train("without", *only("similarity"), *options))
