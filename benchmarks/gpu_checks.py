"""The checks of gpu_check.py. Each is a generator of lines (see measurement.py), from a Place and the lines before."""

import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import disturbed
import labels
import numpy as np
import torch
import trainings
from measurement import ROOT, checked, measured

from common import checkpoint
from common import device as devices
from stages.parallel import cores

CRF_MILLISECONDS = 30  # what dense CRF may take for an image of 500x375 with 21 classes on a GPU


class Place(NamedTuple):
    """Where and how large: drawn data with the lists all, half, val and few; tiny networks, for a try on a CPU."""

    root: Path
    device: torch.device
    thin: bool

    @property
    def commands(self):
        """The trainings on the list val, see trainings.commands."""
        return trainings.commands(self.root, "val", self.thin)


@contextmanager
def set_up(place, name, *options, workers=0):
    """A training before its loop, by its name in trainings.commands: see trainings.set_up."""
    module, arguments = place.commands[name]
    with tempfile.TemporaryDirectory() as folder:
        options = (*arguments, *options, "--workers", workers)
        yield trainings.set_up(module, options, Path(folder) / "out", place.device)


def device_names(place, _):
    """--device as a user may write it: always a device with its index."""
    for name in ("auto", "cuda", "cuda:0") if place.device.type == "cuda" else ("auto", "cpu"):
        found = devices.select_device(name)
        yield checked("Devices", f"--device {name}", found == place.device, found)


def waits(place, _):
    """Steps of a training, over all of its epochs, in which this process never waits for the GPU."""
    if place.device.type != "cuda":
        return
    for name in place.commands:
        with set_up(place, name) as handed:
            places = trainings.synchronisations(handed, trainings.read_batches(handed), warm=1, steps=25)
        found = f"{len(places)}{' at ' if places else ''}{' '.join(sorted(set(places)))}"
        yield checked("Calls that wait for the GPU", f"{name}, 25 steps", not places, found)


def step_times(place, _):
    """The time of a step in each precision, with and without cuDNN's trial of its algorithms, and the memory."""
    for name in place.commands:
        sides, memory = {}, {}
        for mode, options in trainings.MODES.items():
            with set_up(place, name, *options) as handed:
                times, gigabytes = time_steps(place, handed, long=mode == "bfloat16" and name != IRN)
            sides |= {f"{mode}{addition}": value for addition, value in times.items()}
            memory[mode] = gigabytes
            del handed
        yield measured("Step times", name, "ms/step", sides)
        if place.device.type == "cuda":
            yield measured("Peak memory of a training", name, "GiB", memory)


def time_steps(place, handed, long):
    """({addition to the name: ms}, peak memory in GiB) of a training; `long`: over more steps, to extrapolate."""
    warm, steps = (1, 2) if place.thin else (12, 30) if long else (8, 10)
    batches = trainings.read_batches(handed)
    cuda = place.device.type == "cuda"
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    times = {"": trainings.milliseconds(handed, batches, warm, steps)}
    peak = torch.cuda.max_memory_allocated() / 2**30 if cuda else 0
    if cuda:
        times[" without cudnn.benchmark"] = trainings.milliseconds(handed, batches, warm, steps, benchmark=False)
    return times, peak


def copies(place, _):
    """A generator that runs a network, and the work of the host on what it gave: both at the same time."""
    if place.device.type != "cuda":
        return
    matrix = torch.randn(4096, 4096, device=place.device)

    def started():
        for item in range(20):
            product = matrix
            for _ in range(8):
                product = product @ matrix * 1e-2
            yield item, product[:64].clone()

    def seconds(host):
        start = time.perf_counter()
        for _ in devices.pipelined(started()):
            time.sleep(host)
        return time.perf_counter() - start

    seconds(0)
    alone = seconds(0) / 20
    both = seconds(alone) / 20
    found = f"{1e3 * alone:.1f} ms of the GPU and as much of the host take {1e3 * both:.1f} ms"
    yield checked("Copies to the host", "overlap with the GPU's work", both < 1.6 * alone, found)


def prediction(place, _):
    """Images a second of the commands, reading and writing included: those of `all` without those of `half`."""
    from cls import infer
    from cls.model import build
    from seg import predict

    arch = {"network": "classifier", "classes": 20, **({"channels": [4] * 5} if place.thin else {})}
    checkpoint.save(place.root / "cls.pth", arch=arch, state_dict=build(**arch).state_dict())
    crf = ("--crf", "--crf-iterations", 1) if place.thin else ("--crf",)
    for name, command, weights, options in (
        ("cls.infer", infer, "cls.pth", ()),
        ("seg.predict ResNet-101", predict, "resnet.pth", ()),
        ("seg.predict ResNet-101 with CRF", predict, "resnet.pth", crf),
    ):
        seconds, images = [], []
        for split in ("few", "half", "all"):  # the first for all that happens once in a process
            options_of_split = ("--split", split, "--weights", place.root / weights, *options)
            seconds.append(time_of(command, place, options_of_split))
            images.append(len_of(place, split))
        gained = seconds[2] - seconds[1]
        if gained < 0.1 and not place.thin:
            raise RuntimeError(f"{name}: {images[2] - images[1]} images more took {gained:.2f} s more: no measurement")
        speed = (images[2] - images[1]) / max(gained, 1e-3)
        yield measured("Prediction", name, "images/s", {"500×375": speed})


def len_of(place, split):
    return len((place.root / f"data/lists/{split}.txt").read_text().splitlines())


def time_of(command, place, options):
    """Seconds that a stage's command takes in this process."""
    with tempfile.TemporaryDirectory() as out:
        options = ("--data", place.root / "data", "--out", out, "--device", place.device, *options)
        args = command.parser().parse_args([str(option) for option in options])
        start = time.perf_counter()
        command.run(args)
        return time.perf_counter() - start


def crf(place, _):
    """Dense CRF where the logits are; labels as on the CPU."""
    from common.crf import DEFAULTS, dense_crf

    size = (48, 64) if place.thin else (375, 500)
    photo, scores = drawn_scores(size)
    for classes in (21, 6):
        probabilities = (scores[:classes] / scores[:classes].sum(0)).astype(np.float32)
        on_device = [torch.from_numpy(array).to(place.device) for array in (photo, probabilities)]
        times = []
        for _ in range(2 if place.thin else 12):
            trainings.wait(place.device)
            start = time.perf_counter()
            found = dense_crf(*on_device, **DEFAULTS, backend="lattice")
            trainings.wait(place.device)
            times.append(1e3 * (time.perf_counter() - start))
        sides, limit = {"lattice": sorted(times[1:])[len(times) // 2 - 1]}, None if place.thin else CRF_MILLISECONDS
        yield measured("Dense CRF", f"{classes} classes, {size[1]}×{size[0]}", "ms/image", sides, at_most=limit)
        expected = dense_crf(photo, probabilities, **DEFAULTS, backend="lattice").argmax(0)
        same = 100 * np.mean(found.argmax(0).cpu().numpy() == expected)
        yield checked(
            "Dense CRF", f"{classes} classes, labels as on the CPU", same >= 99.99, f"{same:.4f} % of the pixels"
        )


def drawn_scores(size):
    """A drawn photograph, uint8 (H, W, 3), and smooth probabilities as a network's, float32 (21, H, W)."""
    import cv2
    from scipy.special import softmax

    random, (height, width) = np.random.default_rng(0), size
    photo = cv2.resize(random.integers(0, 256, (12, 16, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    photo = np.clip(photo.astype(int) + random.integers(-6, 7, photo.shape), 0, 255).astype(np.uint8)
    logits = 4 * random.normal(size=(height // 8 + 1, width // 8 + 1, 21)).astype(np.float32)
    return photo, softmax(cv2.resize(logits, (width, height)).transpose(2, 0, 1), axis=0)


def loaders(place, _):
    """How fast images are read and augmented, for several numbers of processes."""
    counts = (1,) if place.thin else sorted({4, min(8, cores()), max(4, cores() - 2)})
    for name in place.commands:
        sides = {}
        for workers in counts:
            length = ("--epochs", 100) if name.startswith(("cls", "irn")) else ()
            with set_up(place, name, *length, workers=workers) as handed:
                batches = 8 if place.thin else min(160, 1600 // handed.args.batch_size)
                sides[f"{workers} processes"] = loader_speed(handed.loader, batches)
        yield measured("Reading images", name, "images/s", sides)


def loader_speed(loader, batches):
    """Images a second, without the first quarter of the batches, for which the processes start."""
    images, start = 0, None
    for number, batch in zip(range(batches), loader):
        if start:
            images += len(batch["index"])
        elif number == batches // 4:
            start = time.perf_counter()
    return images / (time.perf_counter() - start)


def label_stages(place, _):
    """The label stages on all cores, without the start of Python: the time of `all` without that of `half`."""
    seconds = {"half": 0.0, "all": 0.0}
    for split in seconds:
        for stage in ("background", "pom", "nsrm"):
            command = labels.command_of(place.root, stage, "32x32", split, cores(), inputs_of=cores())
            seconds[split] += labels.measure(command)[0]
    milliseconds = 1e3 * max(seconds["all"] - seconds["half"], 0) / len_of(place, "half")
    yield measured("Labels", f"BE, POM and NSRM, {cores()} processes", "ms/image", {"500×375": milliseconds})


CLASSIFIERS, IRN = ("cls.train", "cls.train_fbr"), "irn.train"
TWO = (
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--nproc-per-node",
    "2",
    "benchmarks/two_on_one.py",
)


def two_processes(place, _):
    """Two processes on one GPU do what one does; where the last batch has one image, the second has none."""
    for name, (module, arguments) in place.commands.items():
        if name not in (*CLASSIFIERS, "seg.train ResNet-101", IRN) or place.thin and name.startswith("seg"):
            continue
        length = ("--iterations", 4) if name.startswith("seg") else ("--epochs", 1, "--lr", 1e-4)
        length += ("--contrast-from", 0) if name == "cls.train_fbr" else ()
        precise = ("--no-amp", "--no-tf32")
        options = (*arguments, "--split", "few", "--batch-size", 3, *length, *precise, "--workers", 0)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "two"
            handed = trainings.set_up(module, options, Path(folder) / "one", place.device)
            before = learned(handed.bare_model.state_dict())
            handed.training.run(lambda run: None)
            del handed
            one = learned(checkpoint.load(Path(folder) / "one" / "weights.pth")["state_dict"])
            call((*TWO, module, *options, "--device", place.device.type, "--out", out))
            two = learned(checkpoint.load(out / "weights.pth")["state_dict"])
        apart = ((two - one).norm() / (one - before).norm()).item()
        found = f"weights differ by {apart:.1e} of what they have learned"
        yield checked("Two processes on one GPU", f"{name}, the last batch smaller than both", apart < 0.05, found)


def learned(state):
    """The parameters without FBR's heads, which weight files lack, and IRN's mean, which is found and far larger."""
    return parameters({name: state[name] for name in state if not name.startswith(("heads.", "mean_"))})


def determinism(place, _):
    """A training with --deterministic that was stopped and goes on ends with the bits of one that was not."""
    for name, (module, arguments) in place.commands.items():
        if name not in (*CLASSIFIERS, "seg.train VGG16", IRN) or place.thin and name.startswith("seg"):
            continue  # of the segmentations, VGG16's has dropout
        length = ("--epochs", 5) if name in CLASSIFIERS else ("--iterations", 30, "--batch-size", 4)
        length = ("--split", "val", "--epochs", 10, "--batch-size", 8) if name == IRN else length
        length += ("--crop-size", 256) if name == IRN and not place.thin else ()
        options = (*arguments, *length, "--save-every", 3, "--deterministic", "--device", place.device, "--workers", 2)
        with tempfile.TemporaryDirectory() as folder:
            runs = [[module, *map(str, options), "--out", f"{folder}/{run}"] for run in ("calm", "stopped")]
            disturbed.stop(runs[1], 15)
            words = [call((sys.executable, "-m", *run)) for run in runs]
            calm, stopped = (checkpoint.load(Path(folder) / run / "weights.pth") for run in ("calm", "stopped"))
        same = torch.equal(*(parameters(content["state_dict"]) for content in (calm, stopped)))
        lacking = {line.split(" does not")[0][-60:] for line in words[0].splitlines() if "deterministic imp" in line}
        found = ("the same bits" if same else "other bits") + "".join(
            f"; not deterministic: {each}" for each in lacking
        )
        yield checked("Deterministic", f"{name}, stopped and gone on with", same, found)


def call(command):
    """Runs a command in the repository's root. Returns what it wrote to stderr. Raises RuntimeError if it fails."""
    result = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command[:8]))}: status {result.returncode}: {result.stderr[-1500:]}")
    return result.stderr


def parameters(state):
    """The floating-point tensors of a state_dict as one vector on the CPU."""
    return torch.cat(
        [tensor.detach().float().flatten().cpu() for tensor in state.values() if tensor.is_floating_point()]
    )
