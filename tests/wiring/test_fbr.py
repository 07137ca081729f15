"""fbr.train from end to end against the plain loops: every loss of every step, and every weight at the end."""

import pytest
import torch

from tests.outputs import scalars
from tests.wiring import plain, plain_fbr
from tests.wiring.conftest import assert_trained_alike, snapshot, weights
from tests.wiring.test_cls import BACKBONE, backbone_weights, is_same, read_maps

# two batches an epoch; the parts' gradients are as large as the classification's
SCHEDULE = {"size": 40, "epochs": 2, "batch": 4, "lr": 0.003, "weight_decay": 0.02, "decay_epochs": [1]}
COMMAND = ("--channels", *BACKBONE["channels"], "--depths", *BACKBONE["depths"], "--nodes", 3, "--input-size", 40)
COMMAND += ("--epochs", 2, "--batch-size", 4, "--lr", 0.003, "--weight-decay", 0.02, "--decay-epochs", 1)
COMMAND += ("--workers", 0, "--device", "cpu", "--no-amp", "--save-every", 1)
OPTIONS = {
    "labels": "cam", "background": 0.2, "band": [0.4, 0.6], "refine_sigma": 0.2, "refine_steps": 2, "centres": 3,
    "bank_size": 10, "negatives": 5, "temperature": 0.3, "queries": 30, "hard_quantile": 0.6, "entropy_quantile": 0.2,
    "prototype_pixels": 6, "embedding": 7, "contrast_from": 0,
}  # fmt: skip
VARIANTS = {
    "as published": {},
    "shared, refined": {"heads": "shared", "labels": "refined"},
    "none, saliency, from the second epoch": {"heads": "none", "labels": "saliency", "contrast_from": 1},
    "random pixels, truth, no ReLU": {"labels": "truth", "random_nrois": True, "projection_relu": False},
}


def words(options):
    """The options as arguments."""
    for name, value in options.items():
        name = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{name}" if value else f"--no-{name}"
        else:
            yield from (f"--{name}", *(value if isinstance(value, list) else [value]))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_loss_and_every_weight(stage, data, tmp_path, name):
    options = OPTIONS | {"heads": "two"} | VARIANTS[name]
    parts = {"nroi": 1, "intra": 1, "similarity": int(options["heads"] == "two"), "segmentation": 1}
    if name == "as published":  # each its own
        parts = {"nroi": 1, "intra": 0.5, "similarity": 0.25, "segmentation": 2}
    given = words(options | {f"{part}_weight": weight for part, weight in parts.items()})
    torch.save(backbone_weights(), tmp_path / "vgg16.pth")
    paths = ("--init", tmp_path / "vgg16.pth", "--out", tmp_path / "fbr")
    out = stage("fbr.train", *COMMAND, *given, *paths, "--seed", 3)

    torch.manual_seed(3)
    model = plain_fbr.Network(BACKBONE, 3, options["heads"], options["embedding"], options.get("projection_relu", True))
    model.load_state_dict(backbone_weights(), strict=False)
    initial = snapshot(model)
    options = {"weights": parts, "random_nrois": False} | options
    loss = plain_fbr.Loss(model, data, 3, 2 * options["contrast_from"], options)
    seen = plain.train_classification(model, data, loss, seed=3, **SCHEDULE)

    numbers = scalars(out)
    for part in ("classification", *(part for part, weight in parts.items() if weight)):
        expected = {step: told.get(part, 0) for step, told in enumerate(loss.told)}
        assert numbers[f"loss/{part}"] == pytest.approx(expected, rel=1e-5, abs=1e-6) and any(expected.values()), part
    ends = {tensor_name: tensor for tensor_name, tensor in model.state_dict().items() if "heads." not in tensor_name}
    assert_trained_alike(weights(out), ends, initial)
    assert is_same(read_maps(out / "attention"), plain.accumulate(seen, 2))
