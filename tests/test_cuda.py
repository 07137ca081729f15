"""On a machine with a GPU: the same numbers as on the CPU, through the same code, and steps that never wait for it."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import trainings  # noqa: E402

from cls import contrast, nroi  # noqa: E402
from cls.losses import classification_loss  # noqa: E402
from cls.model import Classifier, ClassifierArch  # noqa: E402
from common import device as devices  # noqa: E402
from common import training  # noqa: E402
from common.losses import Loss, means  # noqa: E402
from seg.deeplab import MultiScale, build, multi_scale_loss  # noqa: E402

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
THIN = {"channels": [8, 8, 16, 16, 16], "depths": [1, 1, 1, 1, 2]}


def loss_and_gradient(network, loss_of, x, device):
    network = devices.to_device(network, torch.device(device))
    network.zero_grad()
    loss = means({"loss": loss_of(network(x.to(device, memory_format=torch.channels_last)))})["loss"]
    loss.backward()
    return loss.detach().cpu(), next(network.parameters()).grad.detach().cpu().clone()


@needs_gpu
@pytest.mark.parametrize("kind", ["classifier", "deeplab"])
def test_gpu_equals_cpu(kind):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 65, 65)
    if kind == "classifier":
        network, target = (
            Classifier(ClassifierArch(classes=4, **THIN, nodes=4)),
            torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0]]),
        )
        losses = {
            device: (lambda maps, d=device: classification_loss(maps, target.to(d))) for device in ("cpu", "cuda")
        }
    else:
        network = MultiScale(build(backbone="vgg16", classes=4, fc_channels=16, rates=[1, 2], **THIN))
        network.base.aspp.apply(lambda layer: setattr(layer, "p", 0.0) if isinstance(layer, torch.nn.Dropout) else None)
        target = torch.randint(0, 5, (2, 65, 65))
        losses = {
            device: (lambda outputs, d=device: multi_scale_loss(outputs, target.to(d))) for device in ("cpu", "cuda")
        }
    expected = loss_and_gradient(network, losses["cpu"], x, "cpu")
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # which keeps 10 bits of a float32's 23
        found = loss_and_gradient(network, losses["cuda"], x, "cuda")
    torch.testing.assert_close(found[0], expected[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[1], expected[1], rtol=2e-2, atol=1e-3)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder of drawn data, see benchmarks/draw.py."""
    root = tmp_path_factory.mktemp("drawn") / "root"
    subprocess.run([sys.executable, ROOT / "benchmarks/draw.py", root, "12", "96", "128"], check=True)
    trainings.write_resnet(root / "resnet.pth", thin=True)
    return root


NAMES = list(trainings.commands(Path()))


@needs_gpu
@pytest.mark.parametrize("name", NAMES)
def test_no_step_waits_for_the_gpu(name, drawn, tmp_path):
    """All epochs of the real loop on the real images: the first without, the last with what only the last does."""
    module, arguments = trainings.commands(drawn, "all", thin=True)[name]
    handed = trainings.set_up(module, (*arguments, "--workers", 0), tmp_path / "out")
    batches = trainings.read_batches(handed)
    assert trainings.synchronisations(handed, batches, warm=1, steps=8) == []
    mode = torch.cuda.set_sync_debug_mode
    try:
        trainings.run(handed, batches, 1, 8, lambda: mode("error"), lambda: mode("default"))
    finally:
        mode("default")


@needs_gpu
def test_a_step_that_waits_for_the_gpu_is_found(drawn, tmp_path, monkeypatch):
    module, arguments = trainings.commands(drawn, "all", thin=True)["cls.train"]
    handed = trainings.set_up(module, (*arguments, "--workers", 0), tmp_path / "out")
    step = training.Run.step
    one = torch.ones((), device="cuda")
    monkeypatch.setattr(training.Run, "step", lambda run, losses: one.item() and step(run, losses))
    assert len(trainings.synchronisations(handed, trainings.read_batches(handed), warm=1, steps=3)) == 3


def test_calls_that_wait_are_counted_after_the_warm_up(drawn, tmp_path, monkeypatch):
    """With PyTorch's debug mode mocked, as this is for machines without a GPU, too."""
    modes, (module, arguments) = ["default"], trainings.commands(drawn, "all", thin=True)["cls.train"]
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    handed = trainings.set_up(module, (*arguments, "--workers", 0), tmp_path / "out", "cpu")
    step = training.Run.step

    def waiting_step(run, losses):
        if modes[-1] == "warn":
            warnings.warn(f"{trainings.SYNCHRONISING} (somewhere)", stacklevel=1)
        step(run, losses)

    monkeypatch.setattr(training.Run, "step", waiting_step)
    found = trainings.synchronisations(handed, trainings.read_batches(handed, 2), warm=2, steps=3)
    assert len(found) == 3 and found[0].startswith("test_cuda.py:")
    assert modes[-1] == "default"


@pytest.mark.parametrize("name", NAMES)
def test_trainings_are_measured_through_their_own_loop(name, drawn, tmp_path):
    module, arguments = trainings.commands(drawn, "all", thin=True)[name]
    handed = trainings.set_up(module, (*arguments, "--workers", 0, "--lr", 0.1), tmp_path / "out", "cpu")
    before = [parameter for parameter in handed.bare_model.parameters() if parameter.requires_grad]
    batches = trainings.read_batches(handed, 2)
    assert trainings.milliseconds(handed, batches, warm=1, steps=2) > 0
    model = trainings.run(handed, batches, 1, 2, lambda: None, lambda: None)
    after = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert all(not torch.equal(*pair) for pair in zip(before[-2:], after[-2:]))
    assert list((tmp_path / "out/tensorboard").iterdir()) and not (tmp_path / "out/training.pth").exists()


def test_devices_that_are_not_there_are_refused():
    from stages.files import InputError

    assert devices.select_device("cpu") == torch.device("cpu")
    for name in ("cuda:99", "abacus"):
        with pytest.raises(InputError, match=name):
            devices.select_device(name)


def fbr_numbers(device):
    """What FBR computes on a device, but for its draws, which differ there."""
    generator = torch.Generator().manual_seed(0)
    maps, features = (torch.rand(3, n, 12, 12, generator=generator).to(device) for n in (4, 8))
    labels = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]], device=device)
    features.requires_grad_()
    active = contrast.activations(maps - 0.5, labels)
    pseudo = contrast.pseudo_labels(active, labels, 0.5)
    hard = contrast.hard_pixels(active, contrast.probabilities(active, labels, 0.5), pseudo, 0.4, 0.25)
    prototypes, present = contrast.class_prototypes(features, active, pseudo, 5)
    own = torch.Generator(device).manual_seed(0)
    queries = contrast.choose_queries(hard, pseudo, present, 500, own)  # all of them
    few = torch.zeros_like(hard)
    few[:, :2, :3] = True
    nrois, valid = nroi.extract_nrois(features, few, 8, [1, 2, 3])  # as few pixels as these are taken as they are
    bank = nroi.NROIBank(8, 16).to(device)
    for _ in range(2):
        bank.push(nrois.flatten(0, 1), valid.flatten())
    bank.rows[:] = bank.rows[0]  # whatever is drawn
    each = contrast.pixel_to_nroi(features, queries, prototypes, bank, 6, 0.1, own)
    other = contrast.intra_foreground(features, pseudo, queries, prototypes, present, 6, 0.1, own)
    loss, intra = means({"nroi": Loss(each, queries.used), "intra": Loss(other, queries.used)}).values()
    gradient = torch.autograd.grad(loss, features)[0]
    clusters, _ = nroi.extract_nrois(features, ~few, 4, [1, 2, 3])
    assert clusters.isfinite().all() and intra.isfinite() and hard.any()
    exact = hard, pseudo, queries.used.sum(), valid.sum(), bank.position, bank.filled
    return [x.cpu() for x in exact], [x.detach().cpu() for x in (prototypes, nrois.sum((0, 1)), loss, gradient)]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_fbr_on_a_gpu_equals_the_cpu(device):
    (exact, close), (same, near) = fbr_numbers("cpu"), fbr_numbers(device)
    assert all(torch.equal(*pair) for pair in zip(exact, same))
    torch.testing.assert_close(near, close, rtol=1e-4, atol=1e-5)
