"""The checks of gpu_check.py that start trainings in other processes; see gpu_checks.py."""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import trainings
from measurement import ROOT, measured

from common.training import checkpoint


def two_processes(place, name):
    """Two processes on one GPU do what one does; where the last batch has one image, the second has none."""
    length = ("--iterations", 4, "--lr", 1e-6) if name.startswith("seg") else ("--epochs", 1, "--lr", 1e-4)
    length += ("--contrast-from", 0) if name == "fbr.train" else ()
    options = ("--split", "few", "--batch-size", 3, *length, "--no-amp", "--no-tf32")
    module, arguments = place.training(name, *options)
    before, one = trainings.run((module, arguments), place.device, whole_training)
    with tempfile.TemporaryDirectory() as out:
        launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "benchmarks/two_on_one.py")
        call(*launcher, module, *arguments, "--device", place.device.type, "--out", out)
        two = learned(checkpoint.load(Path(out) / "weights.pth")["state_dict"])
    apart = ((two - one).norm() / (one - before).norm()).item()
    yield measured("Two processes on one GPU", name, "of what is learned", {"other weights": apart}, at_most=0.05)


def whole_training(run, loader):
    """For trainings.run: what there is to be learned, before and after all steps."""
    before = learned(run.bare_model.state_dict())
    yield from loader
    return before, learned(run.bare_model.state_dict())


def learned(state):
    """The parameters without FBR's part, which weight files lack, and IRN's mean, which is found and far larger."""
    return parameters({name: state[name] for name in state if not name.startswith(("fbr.", "mean_"))})


def determinism(place, name):
    """A training with --deterministic that was stopped and goes on ends with the bits of one that was not."""
    module, arguments = place.training(name)
    length = ("--iterations", 30, "--batch-size", 4) if name.startswith("seg") else ("--epochs", 5)
    options = (*arguments, *length, "--lr", 1e-6, "--save-every", 3, "--deterministic", "--device", place.device)
    with tempfile.TemporaryDirectory() as folder:
        runs = [(module, *options, "--out", Path(folder, name)) for name in ("calm", "stopped")]
        stop(*runs[1])
        errors = [call("-m", *run) for run in runs]
        calm, stopped = (parameters(checkpoint.load(run[-1] / "weights.pth")["state_dict"]) for run in runs)
    lacking = {line.split(" does not")[0][-60:] for line in errors[0].splitlines() if "deterministic imp" in line}
    note = "".join(f"not deterministic: {each}; " for each in sorted(lacking))
    different = (calm != stopped).sum().item()
    what = f"{name}, stopped and gone on with, not stopped"
    yield measured("Deterministic", what, "parameters", {"different": different}, at_most=0, note=note)


def stop(*arguments):
    """Starts a training, `arguments` of python -m, the last its folder; SIGTERM once it has written a checkpoint."""
    command = [sys.executable, "-m", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while process.poll() is None and not (arguments[-1] / "training.pth").exists():
            time.sleep(0.02)
        process.terminate()
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    if process.returncode != 128 + signal.SIGTERM:
        raise RuntimeError(f"{arguments[0]}: expected it to be stopped, found {process.returncode}: {errors[-1500:]}")


def call(*arguments):
    """Runs Python in the repository's root. Returns what it wrote to stderr. Raises RuntimeError if it fails."""
    result = subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments[:8]))}: status {result.returncode}: {result.stderr[-1500:]}")
    return result.stderr


def parameters(state):
    """The floating-point tensors of a state_dict as one vector on the CPU."""
    return torch.cat([each.detach().float().flatten().cpu() for each in state.values() if each.is_floating_point()])
