"""Write a run as web pages: an overview of its stages and a gallery of its images, for any browser, offline.

Open <out>/index.html. It shows the quality of every stage from CAM to final prediction, the IoU of each class, scores
by threshold of class maps, training curves and the arguments of every stage, and flags likely problems. The gallery
shows up to --images images of each split with the maps and labels of every stage over the photograph; it needs the data
set.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from common.files.dataset import DataSet
from report.run import checks, overview
from report.run.folder import new_folder
from report.run.gallery import write_gallery
from report.run.image_page import PAGES
from report.run.reading import Stage, data_of, read_curves, read_scored, read_stages
from report.run.templating import copy_assets, write_page
from stages.arguments import natural
from stages.command import command_name, command_parser, run_command
from stages.files import check_outside, write_json

MARKER = "report.json"
IMAGES = 400  # of each split: what a person may page through, and what a disk holds easily


def parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--out", type=Path, required=True, help="output folder, such as <run>/report; is replaced")
    parser.add_argument("--data", type=Path, help="data set folder, if it has moved since the run")
    parser.add_argument("--images", type=natural, metavar="N", default=IMAGES, help="maximum images shown per split")
    return parser


def write(out: Path, args: argparse.Namespace, dataset: DataSet | None, stages: list[Stage]) -> dict[str, Any]:
    """Write all pages to the folder `out`; returns {"warnings": texts, "shown", "images": {split: number}}."""
    scored = read_scored(args.run)
    logs = {stage.folder: read_curves(args.run / stage.folder) for stage in stages}
    curves = {folder: found for folder, found in logs.items() if found}
    content = overview.contents(args.run, args.out, dataset, stages, scored, curves)
    found = checks.findings(args.run, dataset, stages, scored, curves)
    gallery = write_gallery(out, dataset, args.run, scored, args.images) if dataset else {"shown": {}, "images": {}}
    copy_assets(out)
    name = args.run.resolve().name
    context = {"title": f"Run {name}", "run": name, "pages": PAGES if dataset else PAGES[:1], "here": "Overview"}
    write_page(out / "index.html", "index.html", **context, **content, gallery=gallery, findings=found)
    return {"warnings": [finding.text for finding in found], **gallery}


def main(args: argparse.Namespace) -> None:
    """Write the pages. Raises InputError if the run is unusable or the folder cannot be written."""
    start = time.perf_counter()
    stages = read_stages(args.run)
    dataset = data_of(stages, args.data)
    read = [args.run / stage.folder for stage in stages] + ([dataset.root] if dataset else [])
    check_outside(args.out, read)
    if dataset is None:
        print(f"{command_name()}: the run's data set is not there, so there is no gallery; see --data", file=sys.stderr)
    with new_folder(args.out, MARKER) as out:
        made = write(out, args, dataset, stages)
        write_json(out / MARKER, made)
    shown = [f"{count} of {made['images'][split]} images of {split}" for split, count in made["shown"].items()]
    summary = ", ".join([*shown, f"warnings: {len(made['warnings'])}"])
    print(f"{command_name()}: {summary} -> {args.out / 'index.html'} in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    run_command(main, parser())
