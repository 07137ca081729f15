"""Makes docs/benchmarks.md of the lines of the benchmarks: python benchmarks/page.py [--lines FILE] [--out FILE]"""

import argparse
import json
from pathlib import Path

import numpy as np
from measurement import ROOT  # noqa: F401  (makes the packages importable)

from report.study import signed, spread
from report.table import markdown_table
from stages.files import atomic

HEAD = """# Benchmarks

Made by `scripts/bench.sh`: the lines of `docs/bench/lines.jsonl`, as tables. Both sides of a ratio were taken in one run of the
command below the table, and a ratio above 1 says that the second side is better. `scripts/gpu_check.sh` measures a GPU.
"""
NOTES = {
    "Labels": "Wall time of an image, reading and writing included. The published code, in one process, on another machine with "
    "2 cores and AMX: BE + POM 39 ms (reading and writing alone 8 ms), NSRM 4.8 ms.",
    "Mixed precision": "A training step, channels-last, losses in float32. The targets are for a CPU with AMX, where the "
    "published code's steps took, in float32 and bfloat16: classifier 3.96 s and 0.89 s, DeepLab ResNet-101 of 2 images 10.0 s "
    "and 3.1 s. An EPYC has no AMX, only avx512_bf16: there the convolutions, over four fifths of the step (Profile, below), "
    "gain about what is seen here.",
    "torch.compile": "Both sides in bfloat16, without the time of compiling. It gains nothing worth its minutes: there is no `--compile`.",
    "FBR": "Steps of cls.train_fbr at the paper's size, 5 × 256² with a full bank of 100 000, 256 negatives and at most 1024 queries, "
    "beside those of cls.train: each in its own process, in turns, the whole step measured, in bfloat16 where the hardware is fast "
    "at it; medians. Every tenth step also logs the ratio of the gradients, which the median leaves out. The memory is that of the "
    "whole process. Two runs differ by up to a tenth.",
    "Reading images": "Drawn JPEGs of 500×375. The classifier's trainings keep resized images for the later epochs where memory allows "
    "(VOC's 10 582 take 2.1 GB); the processor time is that of a core, in one process.",
    "Profile": "Where the bfloat16 step goes: the five operators that take the most time themselves.",
    "CRF": "This project's lattice against pydensecrf, one core, the fastest of three rounds in turns; the target is twice "
    "pydensecrf's time. The images are drawn; on five VOC photographs (`--photos FOLDER`) the lattice took 0.69 to 1.05 times "
    "pydensecrf's time (0.9 to 1.7 s), with no other label and probabilities within 9e-6, in 363 to 378 MiB where pydensecrf took "
    "219. The probabilities are made, not a network's: 21 smooth normal logits, the background's raised by 9, bumps of 14 for two "
    "classes and of 8 for three that look like them; *hard* ones are normal logits smoothed by half a pixel only.",
    "CRF with fewer classes": "`--crf-min-probability`: classes whose probability exceeds it nowhere are left out. On the five "
    "photographs 0.05 left 6 of 21 classes, took 0.60 of pydensecrf's time and 0.77 of the lattice's, and changed 0.002 % of the "
    "labels, at worst 0.005 %. **Recommended: 0.05**; 0.2 gains little more and changes up to 0.011 %. The default, 0, is exact. "
    "On 20 validation images of the toy run (`--data data/toy --split val --weights runs/toy/seg2/weights.pth --images 20 "
    "--rounds 1`) the lattice gave no pixel another label than pydensecrf; 0.05 left 4 of 7 classes, took 0.90 of the time and "
    "changed no label, 0.2 took 0.82 to 0.83 and changed 0.0008 % (at worst 0.008 %).",
    "Random walk": "IRN's walk of 2⁸ steps with radius 5, on class maps of a 500×375 image at stride 4. The dense form does as the "
    "published code: it squares the matrix of all pairs of pixels, 11 750², eight times. The sparse one adds each pixel's 68 neighbours "
    "to the maps, step by step. Random maps and boundaries; each side ran once, in a process of its own, whose time on its core counts.",
    "MS COCO's size": "Made photographs of 16 to 24 pixels a side with as many files, objects and classes as MS COCO 2014, and annotations of "
    "the same size: the times are those of many files, not of pixels. A finished stage is started twice, the slower counts, Python's "
    "own start included; it asks for size and time of every file that it reads, and opens none. The one that reads most was also "
    "started after a pause, in which this virtual machine drops what it knows of files. The memory is that of all processes of a "
    "command together. What grows with the data set: a training holds its list and the accumulated attention, prediction its list, "
    "seg.evaluate a few numbers an image.",
    "CRF of 81 classes": "seg.predict's label of one made image, DeepLab-like as above: logits resized, softmax, CRF, in a process of its own, "
    "one core. The memory is what the process has for itself, without the pages of libraries that processes share. `--crf-memory` reckons "
    "with 1.7 GiB (lattice) and 2.0 GiB (pydensecrf) for all classes and, with a minimum probability, as if ten were left, 0.9 and 0.5: "
    "12 GiB hold 7 and 5 such processes, or 12 and 24.",
    "A full run": "Both rounds, the classifier and the integral attention model; without inference, CRF and labels.",
}
GPU_NOTE = (
    "The lines of `docs/bench/gpu.jsonl`, which `scripts/gpu_check.sh measure` writes: paper-size networks of random weights, drawn "
    "images of 500×375, everything through the stages' own code."
)
GPU_MISSING = (
    "No GPU could be used, so nothing here is measured. **An estimate**: on one H200 with 16 cores the paper's whole run takes 31 to 40 "
    "minutes; before dense CRF ran on the GPU and the trainings stopped waiting for it, 73 minutes. `scripts/gpu_check.sh` checks and "
    "measures it in three parts of at most 9 minutes: devices, calls that wait for the GPU, step times and memory of all "
    "trainings, IRN, prediction, dense CRF, loaders, determinism, two processes, and the extrapolated time of the whole run."
)


def cell(name, value, unit):
    return f"{name}: {value:g} {unit}"


def section_table(lines):
    body = []
    for line in lines:
        sides = [cell(name, value, line["unit"]) for name, value in line["sides"].items()]
        target = f"{line['target']}, {'met' if line['met'] else 'missed'}" if "target" in line else ""
        body.append([line["what"], *sides, *[""] * (2 - len(sides)), str(line.get("ratio", "")), target])
    return markdown_table(["", "one side", "the other", "ratio", "target"], body)


def gpu_section(lines):
    """Markdown of the lines of gpu_check.py: a table for each of its sections."""
    parts = [f"\n## On a GPU\n\n{GPU_NOTE if lines else GPU_MISSING}\n"]
    for section in dict.fromkeys(line["section"] for line in lines):
        body = [[line["what"], found_of(line), verdict_of(line)] for line in lines if line["section"] == section]
        parts.append(f"\n### {section}\n\n{markdown_table(['', 'found', ''], body)}\n")
    parts += [f"\n`{command}`  \n" for command in dict.fromkeys(line["command"] for line in lines)]
    parts += [f"on {machine}\n" for machine in dict.fromkeys(line["machine"] for line in lines)]
    return "".join(parts)


def found_of(line):
    if "found" in line:
        return line["found"]
    return ", ".join(cell(name, value, line["unit"]) for name, value in line["sides"].items())


def verdict_of(line):
    if "found" in line:
        return "ok" if line["met"] else "FAILED"
    return f"{line['target']}, {'met' if line['met'] else 'missed'}" if "target" in line else ""


def precision_table(lines):
    """Markdown of report.collect's lines of runs/precision: mIoU of both rounds in both precisions, seed by seed."""
    scores = {
        (line["setting"], line["row"], line["seed"]): line["mean_iou"] for line in lines if line["table"] == "rounds"
    }
    rows, body = sorted({row for _, row, _ in scores}), []
    seeds = sorted({seed for *_, seed in scores})
    for row in rows:
        amp, full = (np.array([scores[setting, row, seed] for seed in seeds]) for setting in ("amp", "no-amp"))
        each = [", ".join(f"{value:.1f}" for value in values) for values in (amp, full)]
        body.append([row, each[0], spread(amp), each[1], spread(full), signed(amp - full)])
    head = ["", f"bfloat16, seeds {', '.join(map(str, seeds))}", "mean", "float32", "mean", "bfloat16 − float32"]
    return markdown_table(head, body)


def report(lines, precision, gpu):
    parts = [HEAD]
    for section in dict.fromkeys(line["section"] for line in lines):
        own = [line for line in lines if line["section"] == section]
        note = f"{NOTES[section]}\n\n" if section in NOTES else ""
        parts.append(f"\n## {section}\n\n{note}{section_table(own)}\n")
        parts += [f"`{command}`  \n" for command in dict.fromkeys(current(line["command"]) for line in own)]
        parts += [f"on {machine}\n" for machine in dict.fromkeys(line["machine"] for line in own)]
    if precision:
        machines = ", ".join(sorted({line["machine"] for line in precision}))
        text = "mIoU on the toy data's validation images, the whole method in one precision or the other; mean ± standard deviation; "
        text += "the difference is that of pairs, ± half its 95 % interval, with the number of seeds in which it is above 0."
        parts.append(f"\n## Same quality in bfloat16\n\n{text}\n\n{precision_table(precision)}\n")
        parts.append(f"`scripts/study/precision.sh`  \non {machines}\n")
    return "".join([*parts, gpu_section(gpu)])


def current(command):
    """A recorded command as it is to be called today: the benchmarks lay below tests/ before."""
    return command.replace(" tests/bench/", " benchmarks/")


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=Path, default=Path("docs/bench/lines.jsonl"))
    parser.add_argument("--precision", type=Path, default=Path("docs/bench/precision.jsonl"))
    parser.add_argument("--gpu", type=Path, default=Path("docs/bench/gpu.jsonl"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    args = parser.parse_args()
    with atomic(args.out) as partial:
        partial.write_text(report(read(args.lines), read(args.precision), read(args.gpu)))
