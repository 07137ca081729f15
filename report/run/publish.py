"""Make a folder of a finished run that others can use: weights, labels, logs, checksums, and a model card.

README.md, the model card, is made of the run's records; weights/<stage>.safetensors holds each training's weights with
their description, labels/<folder>.tar.gz the label folders and pred1, logs/ the records, scores, tables and TensorBoard
logs, SHA256SUMS what `sha256sum -c` reads. The same run gives the same bytes. Paths that lead out of the working folder
(absolute, or with ..) are cut to their last part, and host names are left out. Nothing is a link.
"""

import argparse
import gzip
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from data.toy_drawing import CLASSES as TOY_CLASSES
from report.run.card import TRAININGS, Facts, Labels, Weights, card
from report.run.folder import new_folder
from report.run.reading import Stage, read_scored, read_stage, read_stages
from report.run.shareable import shareable
from stages.arguments import file_name
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, read_json, write_json
from stages.fingerprints import content_of, sha256
from stages.progress import progress_bar

SUMS = "SHA256SUMS"
CHUNK = 1 << 20  # bytes that are copied at a time


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="the run's folder, whose stages must be finished")
    parser.add_argument("--out", type=Path, required=True, help=f"folder to write; one with {SUMS} is replaced")
    parser.add_argument(
        "--stages", type=file_name, nargs="+", metavar="NAME", help="the trainings to publish (default: all of the run)"
    )
    parser.add_argument("--no-labels", action="store_true", help="leave out labels and pred1")
    parser.add_argument(
        "--data", type=Path, help="the data set's folder, if it is no longer where the records say; its record is read"
    )
    return parser


def trainings_of(run: Path, stages: list[Stage], names: list[str] | None) -> list[Stage]:
    """The trainings that are to be published. Raises InputError if the run is not finished or lacks one."""
    for stage in stages:
        if not stage.record["finished"]:
            raise InputError(f"{run / stage.folder}: {stage.command} has not finished there; run it again first")
    found = {each.folder: each for each in stages if each.command in TRAININGS and "/" not in each.folder}
    if not found:
        raise InputError(f"{run}: expected a run with trainings, found none")
    for name in names or ():
        if name not in found:
            raise InputError(f"--stages {name}: expected trainings of {run}: {' '.join(found)}")
    return [stage for name, stage in found.items() if names is None or name in names]


def origins_of(stages: list[Stage], data: Path | None) -> list[Stage]:
    """The stages outside of the run that made its data sets and the weights that it began with, where they are found.

    Raises InputError if a record that is there is not one of a stage.
    """
    named = [data] if data else [Path(str(stage.arguments["data"])) for stage in stages if "data" in stage.arguments]
    begun = [Path(stage.arguments["init"]).parent for stage in stages if isinstance(stage.arguments.get("init"), str)]
    folders = dict.fromkeys([*named, *begun])
    found = []
    for folder in folders:
        with suppress(OSError):  # it may be a place that nobody may see now
            found += [folder] * (folder / "stage.json").is_file()
    return [read_stage(folder, "") for folder in found]


def write_weights(run: Path, out: Path, stage: Stage) -> Weights:
    """Write a training's weights. Raises InputError if they are unusable."""
    from common import checkpoint, portable

    source, name = run / stage.folder / "weights.pth", f"weights/{stage.folder}.safetensors"
    content = checkpoint.load(source)
    with checkpoint.prefix_errors(source):
        portable.write(out / name, content, stage.record)
    arch = content.get("arch")
    arch = arch if isinstance(arch, dict) else {}
    return Weights(name, stage, arch, (out / name).stat().st_size, sha256(out / name))


def write_labels(run: Path, out: Path, stage: Stage) -> Labels:
    """Pack a folder of labels into an archive that depends on the files' names and contents alone."""
    source, name = run / stage.folder, f"labels/{stage.folder}.tar.gz"
    names = sorted(content_of(source))
    with (
        open(out / name, "wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as compressed,
        tarfile.open(mode="w", fileobj=compressed, format=tarfile.GNU_FORMAT) as archive,
        progress_bar(stage.folder, len(names)) as bar,
    ):
        for each in names:
            entry = tarfile.TarInfo(f"{stage.folder}/{each}")  # a file, of time 0, owner 0, mode 644
            with open(source / each, "rb") as content:
                entry.size = (source / each).stat().st_size
                archive.addfile(entry, content)
            bar.update()
    return Labels(name, stage, len(names), (out / name).stat().st_size)


def write_logs(run: Path, out: Path, stages: Iterable[Stage], clean: Any) -> None:
    """Write the records, scores, tables and TensorBoard logs. Raises InputError if one is unusable."""
    for stage in stages:
        folder, source = out / stage.folder, run / stage.folder
        folder.mkdir(parents=True)
        write_json(folder / "stage.json", stage.record)
        if (source / "scores.json").is_file():
            write_json(folder / "scores.json", clean(read_json(source / "scores.json")))
        if (source / "images.jsonl").is_file():
            copy(source / "images.jsonl", folder / "images.jsonl")
        for number, log in enumerate(sorted(source.glob("tensorboard/events.out.tfevents.*"))):
            (folder / "tensorboard").mkdir(exist_ok=True)
            moment = log.name.split(".")[3]  # seconds; a host's name and a process follow
            copy(log, folder / "tensorboard" / f"events.out.tfevents.{moment if moment.isdigit() else 0}.{number}")
    for path in sorted(run.glob("*.json")):
        write_json(out / path.name, clean(read_json(path)))
    for path in sorted(run.glob("*.md")):
        (out / path.name).write_text(clean(read_text(path)), encoding="utf-8")


def copy(source: Path, target: Path) -> None:
    """Copy a file's content. Raises InputError if it cannot be read."""
    try:
        with open(source, "rb") as content, open(target, "wb") as file:
            while chunk := content.read(CHUNK):
                file.write(chunk)
    except OSError as error:
        if error.filename != str(source):
            raise
        raise InputError(f"{source}: cannot be read ({error.strerror})") from None


def read_text(path: Path) -> str:
    """A file's text. Raises InputError if it is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise InputError(f"{path}: expected UTF-8 text") from None


def write_sums(out: Path) -> None:
    """Write the SHA-256 of every file below `out`, by name."""
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    for name in names:
        if "\\" in name or not name.isprintable():
            raise InputError(f"{name!r}: expected names without line breaks and backslashes")
    (out / SUMS).write_text("".join(f"{sha256(out / name)}  {name}\n" for name in names))


def publish(args: argparse.Namespace) -> None:
    """Write the folder. Raises InputError if the run is not finished or the folder cannot be written."""
    if made := next((each for each in args.out.resolve().parents if (each / "stage.json").exists()), None):
        raise InputError(f"{args.out}: expected an --out outside of {made}, which belongs to a stage")
    stages = read_stages(args.run)
    chosen = {stage.folder for stage in trainings_of(args.run, stages, args.stages)}
    clean = partial(shareable, run=args.run)
    origins = [Stage(each.folder, clean(each.record)) for each in origins_of(stages, args.data)]
    stages = [Stage(each.folder, clean(each.record)) for each in stages]
    scored = [each._replace(scores=clean(each.scores)) for each in read_scored(args.run)]
    kinds = [each for each in stages if each.folder.startswith("label_") or each.folder == "pred1"]
    kinds = [] if args.no_labels else kinds
    with new_folder(args.out, SUMS) as out:
        for name in ("weights", "logs", *["labels"] * bool(kinds)):
            (out / name).mkdir()
        weights = [write_weights(args.run, out, stage) for stage in stages if stage.folder in chosen]
        labels = [write_labels(args.run, out, stage) for stage in kinds]
        write_logs(args.run, out / "logs", stages, clean)
        for number, origin in enumerate(origins):
            write_json(out / "logs" / f"origin{number}.json", origin.record)
        text = card(Facts(stages, origins, weights, labels, scored, list(TOY_CLASSES)))
        (out / "README.md").write_bytes(text.encode("utf-8", "replace"))  # JSON may hold half a character
        write_sums(out)
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{len(weights)} weight files, {len(labels)} archives of labels, {size / 1e6:.1f} MB -> {args.out}")


def main(args: argparse.Namespace) -> None:
    """Run the command."""
    try:
        publish(args)
    except RecursionError:
        raise InputError(f"{args.run}: expected records of fewer levels") from None


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
