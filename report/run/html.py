"""Write a run as pages to look at: an overview of its stages and a gallery of its images, for any browser, offline.

<out>/index.html opens from a disk. It shows the quality of every stage from CAM to final prediction, each class, the
thresholds of class maps, the curves of trainings, what was called, and warns where something smells. The gallery shows
up to --images images of each split, with every stage's maps and labels over the photograph; it needs the data set. A
report that is up to date is left as it is.
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

from common.dataset import DataSet
from report.run import checks, overview
from report.run.folder import check_outside, new_folder
from report.run.gallery import write_gallery
from report.run.image_page import PAGES
from report.run.reading import Stage, data_of, read_curves, read_scored, read_stages
from report.run.templating import TEMPLATES, copy_assets, write_page
from stages.arguments import natural
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, read_json, write_json

MARKER = "report.json"
IMAGES = 400  # of each split: what a person may page through, and what a disk holds easily


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write, such as <run>/report")
    parser.add_argument("--data", type=Path, help="data set folder, where the run's records do not lead to it")
    parser.add_argument(
        "--images", type=natural, metavar="N", default=IMAGES, help="how many images of each split have a page, at most"
    )
    return parser


def key_of(args: argparse.Namespace, dataset: DataSet | None) -> str:
    """The SHA-256 of all that a report follows from: records, scores, logs, lists, arguments, and this code."""
    digest = hashlib.sha256(f"{args.run} {args.images} {dataset and dataset.root}\n".encode())
    run, code = args.run, Path(__file__).parent
    content = [*run.glob("*/stage.json"), *run.glob("scores/*/*.json*"), *code.glob("*.py"), *TEMPLATES.iterdir()]
    content += [dataset.root / "classes.txt", *dataset.root.glob("lists/*.txt")] if dataset else []
    try:
        for path in sorted(path for path in content if path.is_file()):
            digest.update(f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None
    for path in sorted(run.glob("*/tensorboard/*")):  # an unfinished training's grows
        digest.update(f"{path} {path.stat().st_size}\n".encode())
    digest.update(f"{overview.nested_runs(run, args.out)}".encode())
    return digest.hexdigest()


def is_there(out: Path, key: str) -> bool:
    """Whether `out` holds the report of that key."""
    try:
        found = read_json(out / MARKER)
    except InputError:
        return False
    return isinstance(found, dict) and found.get("key") == key and (out / "index.html").is_file()


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
    pages = PAGES if dataset else PAGES[:1]
    context = {
        "title": f"{name}, a run",
        "run": name,
        "pages": pages,
        "here": "Overview",
        "run_path": args.run,
        "gallery": gallery,
    }
    write_page(out / "index.html", "index.html", **context, **content, findings=found, has_data=dataset is not None)
    return {"warnings": [finding.text for finding in found], **gallery}


def main(args: argparse.Namespace) -> None:
    """Write the report, or say that it is there."""
    start = time.perf_counter()
    stages = read_stages(args.run)
    dataset = data_of(stages, args.data)
    check_outside(args.out, [args.run / stage.folder for stage in stages], dataset)
    key = key_of(args, dataset)
    if is_there(args.out, key):
        print(f"{command_name()}: {args.out} is finished, nothing to do")
        return
    if dataset is None:
        print(f"{command_name()}: the run's data set is not there: no gallery; --data names it", file=sys.stderr)
    with new_folder(args.out, MARKER) as out:
        made = write(out, args, dataset, stages)
        write_json(out / MARKER, {"key": key, "run": str(args.run), "made": time.strftime("%Y-%m-%d %H:%M:%S"), **made})
    shown = [f"{count} of {made['images'][split]} images of {split}" for split, count in made["shown"].items()]
    summary = ", ".join([*shown, f"{len(made['warnings'])} warnings"])
    print(f"{command_name()}: {summary} -> {args.out / 'index.html'} in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
