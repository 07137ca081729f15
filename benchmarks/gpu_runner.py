"""Runs the checks of gpu_check.py, prints and writes what they find, and extrapolates."""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import cv2
import fbr
import gpu_irn
import torch
import trainings
from draw import draw_data
from gpu_checks import (
    Place,
    copies,
    crf,
    determinism,
    device_names,
    label_stages,
    loaders,
    prediction,
    step_times,
    two_processes,
    waits,
)
from measurement import checked, measured, with_origin

from common import device as devices

# The paper's run, with ResNet-101 and CRF (paper 4.1): train_aug and val of VOC 2012
TRAIN, VAL, EPOCHS, CLS_BATCH, ITERATIONS, SEG_BATCH = 10_582, 1_449, 14, 5, 10_000, 10


class TimeUp(Exception):
    """The minutes are over."""


def whole_run(place, lines):
    """The paper's whole run, stage by stage, from what was measured; without starting, evaluating and hashing."""
    found = {(line["section"], line["what"]): line["sides"] for line in lines if "sides" in line}
    minutes = {}
    for name, steps, batch in (
        ("cls.train", EPOCHS * -(-TRAIN // CLS_BATCH), CLS_BATCH),
        ("cls.train_iam", EPOCHS * -(-TRAIN // CLS_BATCH), CLS_BATCH),
        ("seg.train ResNet-101", 2 * ITERATIONS, SEG_BATCH),
    ):
        step = found["Step times", name]["bfloat16"] / 1e3
        reading = batch / max(found["Reading images", name].values())  # the loader works at the same time
        minutes[name] = steps * max(step, reading) / 60
    for name, images in (("cls.infer", 2 * TRAIN), ("seg.predict ResNet-101 with CRF", TRAIN + 2 * VAL)):
        minutes[name] = images / found["Prediction", name]["500×375"] / 60
    (label,) = (sides["500×375"] for (section, _), sides in found.items() if section == "Labels")
    minutes["labels"] = TRAIN * label / 1e3 / 60
    for name, value in (*minutes.items(), ("everything", sum(minutes.values()))):
        yield measured("The paper's whole run, extrapolated", name, "minutes", {"both rounds": value})


CHECKS = {
    "devices": device_names,
    "waits": waits,
    "steps": step_times,
    "fbr": fbr.check,
    "prediction": prediction,
    "crf": crf,
    "loaders": loaders,
    "labels": label_stages,
    "copies": copies,
    "determinism": determinism,
    "processes": two_processes,
    "run": whole_run,
    "irn": gpu_irn.check,  # last: if the time is up before, --only irn makes up for it
}


def parser(doc):
    parser = argparse.ArgumentParser(
        "gpu_check.py", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS))
    folder = Path(os.environ.get("OUT", "runs/gpu_check"))
    parser.add_argument("--out", type=Path, default=folder / "gpu_check.jsonl")
    parser.add_argument("--minutes", type=float, default=8, help="what has not been shown by then has failed")
    return parser


def machine_line(device):
    """PyTorch, CUDA, cuDNN and cores: what the other lines' machine does not say."""
    versions = f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    found = f"{name}, {versions}, Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores"
    return checked("Machine", "versions", True, found)


def run_checks(place, names):
    """Yields the lines of the checks; one that raises anything, or has no time, gives a line that has failed."""
    lines, time_is_up = [machine_line(place.device)], False
    yield lines[0]
    for name in names:
        try:
            if time_is_up and name != "run":  # which only adds up what is there
                raise TimeUp("no time was left")
            for line in CHECKS[name](place, lines):
                lines.append(line)
                yield line
        except (Exception, SystemExit) as error:
            if not time_is_up:
                traceback.print_exc()
            time_is_up |= isinstance(error, TimeUp)
            lines.append(checked("Did not come to its end", name, False, f"{type(error).__name__}: {str(error):.300}"))
            yield lines[-1]


def text(line):
    """A line for people."""
    if "found" in line:
        return f"{'ok' if line['met'] else 'FAILED':7} {line['section']}: {line['what']}: {line['found']}"
    sides = ", ".join(f"{name} {value:g}" for name, value in line["sides"].items())
    target = f" ({line['target']}: {'met' if line['met'] else 'missed'})" if "target" in line else ""
    return f"        {line['section']}: {line['what']}: {sides} {line['unit']}{target}"


def prepare(root, device, thin):
    """Draws the data of all checks. Returns their Place."""
    draw_data(root, 12 if thin else 160, (96, 128) if thin else (375, 500))
    images = (root / "data/lists/all.txt").read_text().splitlines(keepends=True)
    (root / "data/lists/few.txt").write_text("".join(images[:7]))
    trainings.write_resnet(root / "resnet.pth", thin)
    return Place(root, device, thin)


def time_up(number, frame):
    raise TimeUp("no time was left")


def main(doc):
    args = parser(doc).parse_args()
    device = devices.select_device("auto")
    signal.signal(signal.SIGALRM, time_up)
    cv2.setNumThreads(0)  # loader processes are forked, without the threads that OpenCV would have here
    failed = False
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open(args.out, "w", encoding="utf-8") as file:
        place = prepare(Path(folder), device, bool(os.environ.get("THIN")))
        signal.setitimer(signal.ITIMER_REAL, 60 * args.minutes)
        for line in run_checks(place, args.only):
            failed |= "found" in line and not line["met"]
            print(text(line), flush=True)
            file.write(json.dumps(with_origin(line), ensure_ascii=False) + "\n")
        signal.setitimer(signal.ITIMER_REAL, 0)
    sys.exit(1 if failed else 0)
