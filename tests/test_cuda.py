"""On a machine with a GPU: the same numbers as on the CPU, by the same code, and steps that never wait for the GPU."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import trainings

from cls import amn, infer, infer_amn
from cls import model as classifier
from cls.losses import classification_loss
from cls.model import Classifier, ClassifierArch
from common.files.images import read_grey, read_indexed
from common.files.npy_maps import read_npy
from common.training import checkpoint
from common.training import device as devices
from common.training import loop as training
from common.training.losses import Loss, means
from fbr import contrast, nroi
from irn import instances
from irn import walk as irn_walk
from irn.grouping import centroids
from irn.model import build as build_irn
from irn.random_walk import walk
from seg.deeplab import MultiScale, build, multi_scale_loss

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


NAMES = list(trainings.commands(Path()))


def run_training(root, name, device, measure, *options, **more):
    module, arguments = trainings.commands(root, "all", thin=True)[name]
    command = module, (*arguments, "--workers", 0, *options)
    return trainings.run(command, devices.select_device(device), partial(measure, **more))


@needs_gpu
@pytest.mark.parametrize("mode", ["warn", "error"])
@pytest.mark.parametrize("name", NAMES)
def test_no_step_waits_for_the_gpu(name, mode, drawn):
    """All epochs of the real loop on the real images: the first without, the last with what only the last does."""
    assert run_training(drawn, name, "cuda", trainings.waiting, warm=1, steps=8, mode=mode) == []


@needs_gpu
def test_a_step_that_waits_for_the_gpu_is_found(drawn, monkeypatch):
    step, one = training.Training.step, torch.ones((), device="cuda")
    monkeypatch.setattr(training.Training, "step", lambda run, losses: one.item() and step(run, losses))
    assert len(run_training(drawn, "cls.train", "cuda", trainings.waiting, warm=1, steps=3)) == 3


@needs_gpu
def test_copies_from_a_gpu_do_not_wait():
    ones = torch.ones(5, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = list(devices.pipelined((number, ones * number) for number in range(3)))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert [(number, copy.tolist()) for number, copy in found] == [(number, [number] * 5) for number in range(3)]
    assert all(copy.is_pinned() for _, copy in found)


def fbr_numbers(device):
    """FBR's numbers on a device, except its draws, which differ there."""
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


def irn_numbers(device):
    """IRN's walks of a batch and of many pieces of one image, and where pixels end that follow displacements."""
    generator = torch.Generator().manual_seed(0)
    maps, pieces, boundary, displacement = (
        torch.rand(shape, generator=generator).to(device)
        for shape in ((2, 3, 24, 32), (1, 60, 24, 32), (2, 24, 32), (2, 2, 6, 8))
    )
    displacement = torch.nn.functional.interpolate(4 * displacement - 2, (24, 32), mode="bilinear")
    walked = walk(maps, boundary**4), walk(pieces, boundary[:1] ** 4)
    return [each.cpu() for each in walked], centroids(displacement).cpu()


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_irn_on_a_gpu_equals_the_cpu(device):
    (walked, ends), (near, same) = irn_numbers("cpu"), irn_numbers(device)
    torch.testing.assert_close(near, walked, rtol=1e-4, atol=0)
    assert (ends == same).all(1).float().mean() > 0.99


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize("command", [irn_walk, instances], ids=lambda command: command.__name__)
def test_labels_of_irn_on_a_gpu_equal_those_of_the_cpu(command, device, drawn, tmp_path):
    arch = {"network": "irn", "backbone": "resnet50", "blocks": [1, 1, 1, 1], "width": 4, "branch_width": 4}
    arch["crop_size"] = 64
    torch.manual_seed(0)
    checkpoint.save(tmp_path / "irn.pth", arch=arch, state_dict=build_irn(**arch).state_dict())
    options = ["--data", drawn / "data", "--split", "half", "--maps", drawn / "cam"]
    options += ["--weights", tmp_path / "irn.pth", "--no-amp", "--no-tf32", "--workers", 0]
    for name in ("cpu", device):
        (tmp_path / name).mkdir(exist_ok=True)
        own = ("--out", tmp_path / name, "--device", name)
        command.run(command.parser().parse_args([str(option) for option in (*options, *own)]))
    found = [[read_indexed(path) for path in sorted((tmp_path / name).glob("*.png"))] for name in ("cpu", device)]
    assert len(found[0]) == 6 and (np.array(found[0]) == np.array(found[1])).mean() > 0.999


MAPS = {  # command, what builds its network, its arch, arguments
    "irn": (infer, classifier.build, {"network": "irn_cam"}, "--flip --dump-float --scales 1 0.5"),
    "amn": (infer_amn, amn.build, {"network": "amn", "rates": [1, 2]}, "--seeds {root}/pred"),
}


def make_maps(kind, root, out, device):
    """The maps of random weights by a command of MAPS, on drawn data in `root`: [float (h, w), 0 to 1]."""
    command, build, arch, options = MAPS[kind]
    arch = {"backbone": "resnet50", "blocks": [1, 1, 1, 1], "width": 4, "classes": 20, **arch}
    torch.manual_seed(0)
    checkpoint.save(root / "maps.pth", arch=arch, state_dict=build(**arch).state_dict())
    out.mkdir()
    options += " --data {root}/data --split half --weights {root}/maps.pth --out {out} --device {device}"
    options = (options + " --no-amp --no-tf32 --workers 0").format(root=root, out=out, device=device)
    command.run(command.parser().parse_args(options.split()))
    maps = [map_ for path in sorted(out.glob("*.npy")) for maps in read_npy(path) for map_ in maps.values()]
    return maps or [read_grey(path) / 255 for path in sorted(out.glob("*.png"))]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize("kind", MAPS)
def test_maps_of_a_gpu_equal_those_of_the_cpu(kind, device, drawn, tmp_path):
    found = make_maps(kind, drawn, tmp_path / "expected", "cpu"), make_maps(kind, drawn, tmp_path / "found", device)
    assert len(found[0]) == len(found[1]) >= 6 and max(np.ptp(map_) for map_ in found[0]) > 0
    for one, other in zip(*found):
        np.testing.assert_allclose(other, one, atol=0.01)
