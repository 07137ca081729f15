"""Speed of the label stages on drawn data in VOC's format: python benchmarks/labels.py

Every command runs on 300 and on 600 images: the second time minus the first is what 300 images cost without starting
Python and its processes.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measurement import ROOT, run, show

IMAGES = 300
CORES = len(os.sched_getaffinity(0))


def run_stage(root, stage, split, workers):
    """(wall seconds, peak MiB of the largest process) of a label stage on a split, its output named after both."""
    inputs = {
        "background": ("--oa-cam", root / "oa_cam"),
        "pom": ("--label", root / f"background_{split}{workers}", "--cam", root / "cam"),
        "nsrm": ("--pred", root / "pred", "--label", root / f"pom_{split}{workers}"),
    }[stage]
    options = ("--data", root / "data", "--split", split, *inputs, "--workers", workers)
    options += ("--out", root / f"{stage}_{split}{workers}")
    return run([sys.executable, "-m", f"pseudo.{stage}", *map(str, options)], ROOT)[:2]


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run([sys.executable, Path(__file__).with_name("draw.py"), root, str(2 * IMAGES)], check=True)
        times, peaks = {}, {}
        for workers in sorted({1, CORES}):
            for stage in ("background", "pom", "nsrm"):
                (half, small), (all_, large) = (run_stage(root, stage, split, workers) for split in ("half", "all"))
                times[stage, workers] = 1000 * (all_ - half) / IMAGES
                peaks[stage] = {f"{IMAGES} images": small, f"{2 * IMAGES} images": large}
    for what, stages, limit in (("BE + POM, maps of 32x32", ("background", "pom"), 6), ("NSRM", ("nsrm",), 3.5)):
        sides = {f"{w} process{'es' * (w > 1)}": sum(times[s, w] for s in stages) for w in sorted({1, CORES})}
        show("Labels", what, "ms/image", sides, at_most=limit)
    show("Labels", "peak memory of BE, largest process", "MiB", peaks["background"])


if __name__ == "__main__":
    main()
