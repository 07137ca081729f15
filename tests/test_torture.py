"""A short form of scripts/torture.sh: stages that are killed at random moments, and that have no room, end the same."""

import os
import random
import re
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent / "torture"))

import launch  # noqa: E402
import torture  # noqa: E402

TRUNK = ("--channels", 4, 4, 8, 8, 8, "--depths", 1, 1, 1, 1, 1)
HERE = ("--workers", 1, "--device", "cpu")
CLS = (*TRUNK, *HERE, "--epochs", 40, "--batch-size", 2, "--input-size", 32, "--nodes", 2, "--save-every", 7)


@pytest.fixture
def stage(tiny_data, tmp_path):
    """`stage(name, out)`: the arguments of a stage that writes to <tmp_path>/<out>."""
    truth = tiny_data / "SegmentationClass"
    options = {
        "cls.train": CLS,
        "pseudo.nsrm": ("--pred", truth, "--label", truth, "--workers", 2),
    }

    def arguments(name, out):
        common = ("--data", tiny_data, "--split", "train", "--out", tmp_path / out)
        return list(map(str, (name, *common, *options[name])))

    return arguments


def finish(arguments):
    begun = time.monotonic()
    process = launch.start(arguments)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return time.monotonic() - begun


@pytest.mark.parametrize("name", ["cls.train", "pseudo.nsrm"])
def test_killed_at_any_moment_a_stage_ends_the_same(name, stage, tmp_path):
    dice = random.Random(name)
    seconds = finish(stage(name, "calm"))
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        launch.kill_once(
            stage(name, "killed"), number, dice.uniform(0.3 * seconds, seconds)
        )  # exits where it goes wrong
    finish(stage(name, "killed"))
    assert not torture.differences(tmp_path / "calm", tmp_path / "killed")
    assert len(torture.content(tmp_path / "calm")) >= 4


def everybody(session, number):
    for process in launch.members(session):
        os.kill(process, number)


@pytest.mark.parametrize(
    "send, number",
    [
        (os.killpg, signal.SIGINT),
        (os.kill, signal.SIGTERM),
        (everybody, signal.SIGTERM),
    ],
    ids=["ctrl-c", "kill", "batch system"],
)
def test_a_signal_ends_a_training_with_a_checkpoint_and_a_line(stage, tmp_path, send, number):
    arguments = [*stage("cls.train", "run"), "--epochs", "4000"]  # it does not end before the signal comes
    process = launch.start(arguments)
    while not (tmp_path / "run" / "training.pth").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    send(process.pid, number)
    _, errors = process.communicate(timeout=launch.PATIENCE)
    assert process.returncode == 128 + number and not launch.members(process.pid), errors
    told = r"cls.train: interrupted after (\d+) of 8000 iterations; the same command resumes it\n"
    found = re.fullmatch(told, errors)
    assert found, errors
    assert torch.load(tmp_path / "run" / "training.pth", weights_only=True)["iteration"] == int(found[1])


@pytest.mark.skipif(not torture.can_mount(), reason="needs the right to mount a tmpfs")
def test_full_disk(stage, tmp_path):
    line = {"stage": "cls.train", "arguments": stage("cls.train", "calm")[1:]}
    finish(stage("cls.train", "calm"))
    assert torture.full_disk(tmp_path, [line]) == {"cls.train": True}


def test_too_little_memory(stage, tiny_data, tmp_path):
    for folder, kind in (("JPEGImages", "jpg"), ("SegmentationClass", "png"), ("saliency", "png")):
        path = tiny_data / folder / f"d_complex.{kind}"
        with Image.open(path) as image:
            image.resize((7000, 6000), Image.NEAREST).save(path)
    line = {"stage": "pseudo.nsrm", "arguments": stage("pseudo.nsrm", "calm")[1:]}
    finish(stage("pseudo.nsrm", "calm"))
    times, passed = torture.little_memory(tmp_path, [line])["pseudo.nsrm"]
    assert times >= 1 and passed
