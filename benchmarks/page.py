"""Makes docs/bench/tables.md of the lines of the benchmarks: python benchmarks/page.py [--lines FILE] [--out FILE]"""

import argparse
import json
from pathlib import Path

import numpy as np
from measurement import ROOT  # noqa: F401  (makes the packages importable)

from report.studies.study import signed, spread
from report.tables.table import markdown_table
from stages.files import atomic

HEAD = """# Benchmarks: tables

Made by `scripts/bench.sh` of the lines of `docs/bench/lines.jsonl`. Both sides of a ratio were taken in one run of the
command below the table, and a ratio above 1 says that the second side is better.
"""
NOTES = {
    "Labels": "Wall time of an image, reading and writing included.",
    "Mixed precision": "A training step, channels-last, losses in float32. The targets are for a CPU with AMX.",
    "torch.compile": "Both sides in bfloat16, without the time of compiling.",
    "FBR": "Steps of fbr.train at the paper's size, 5 × 256² with a full bank of 100 000, 256 negatives and at most 1024 queries, "
    "beside those of cls.train: each in its own process, in turns, the whole step measured, in bfloat16 where the hardware is fast "
    "at it; medians. Every tenth step also logs the ratio of the gradients, which the median leaves out. The memory is that of the "
    "whole process.",
    "Reading images": "Drawn JPEGs of 500×375. The classifier's trainings keep resized images for the later epochs where memory allows "
    "(VOC's 10 582 take 2.1 GB); the processor time is that of a core, in one process.",
    "Profile": "Where the bfloat16 step goes: the five operators that take the most time themselves.",
    "CRF": "This project's lattice against pydensecrf, one core, the fastest of three rounds in turns; the target is twice "
    "pydensecrf's time. The images are drawn, or photographs by their names (`--photos FOLDER`). The probabilities are made, not a network's: 21 smooth normal "
    "logits, the background's raised by 9, bumps of 14 for two classes and of 8 for three that look like them; *hard* ones are "
    "normal logits smoothed by half a pixel only.",
    "CRF with fewer classes": "`--crf-min-probability`: classes whose probability exceeds it nowhere are left out.",
    "Random walk": "IRN's walk of 2⁸ steps with radius 5, on class maps of a 500×375 image at stride 4. The dense form does as the "
    "published code: it squares the matrix of all pairs of pixels, 11 750², eight times. The sparse one adds each pixel's 68 neighbours "
    "to the maps, step by step. Random maps and boundaries; each side ran once, in a process of its own, whose time on its core counts.",
    "MS COCO's size": "Made photographs of 16 to 24 pixels a side with as many files, objects and classes as MS COCO 2014, and annotations of "
    "the same size: the times are those of many files, not of pixels. A finished stage is started twice, the slower counts, Python's "
    "own start included; it asks for size and time of every file that it reads, and opens none. The one that reads most was also "
    "started after a pause, in which a virtual machine may drop what it knows of files. The memory is that of all processes of a "
    "command together. What grows with the data set: a training holds its list and the accumulated attention, prediction its list, "
    "evaluate.labels a few numbers an image.",
    "CRF of 81 classes": "seg.predict's label of one made image, DeepLab-like as above: logits resized, softmax, CRF, in a process of its own, "
    "one core. The memory is what the process has for itself, without the pages of libraries that processes share.",
    "A full run": "Both rounds, the classifier and the integral attention model; without inference, CRF and labels.",
}
GPU_NOTE = (
    "The lines of `docs/bench/gpu.jsonl`, which `scripts/gpu_check.sh` writes: paper-size networks of random weights, pieces of one "
    "photograph or drawn images, 500×375, everything through the stages' own code. The time of the paper's run is not measured but "
    "extrapolated from these measurements. In *Profile* the ratio is the share of the time in which the GPU computes."
)


def cell(name, value, unit):
    return f"{name}: {value:g} {unit}"


def section_table(lines):
    body = []
    for line in lines:
        sides = [cell(name, value, line["unit"]) for name, value in line["sides"].items()]
        sides = [", ".join(sides), ""] if len(sides) > 2 else [*sides, "", ""][:2]
        target = f"{line['target']}, {'met' if line['met'] else 'missed'}" if "target" in line else ""
        what = ": ".join(part for part in (line["what"], line.get("note")) if part)
        body.append([what, *sides, str(line.get("ratio", "")), target])
    return markdown_table(["", "one side", "the other", "ratio", "target"], body)


def gpu_section(lines):
    """Markdown of the lines of gpu_check.py: a table for each of its sections; the last line counts of each thing."""
    parts = [f"\n## On a GPU\n\n{GPU_NOTE}\n"] if lines else []
    last = {(line["section"], line["what"]): line for line in lines}.values()
    for section in dict.fromkeys(line["section"] for line in lines):
        table = section_table([line for line in last if line["section"] == section])
        parts.append(f"\n### {section}\n\n{table}\n")
    parts += [f"\n`{command}`  \n" for command in dict.fromkeys(line["command"] for line in lines)]
    parts += [f"on {machine}\n" for machine in dict.fromkeys(line["machine"] for line in lines)]
    return "".join(parts)


def precision_table(lines):
    """Markdown of report.studies.collect's lines of runs/precision: mIoU of both rounds in both precisions, seed by seed."""
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
    parser.add_argument("--out", type=Path, default=Path("docs/bench/tables.md"))
    args = parser.parse_args()
    with atomic(args.out) as partial:
        partial.write_text(report(read(args.lines), read(args.precision), read(args.gpu)))
