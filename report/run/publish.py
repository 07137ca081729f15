"""Publish a finished run as a folder that others can use: weights, labels, logs, checksums, and a model card.

README.md, the model card, is made from the run's records. weights/<stage>.safetensors holds a training's weights with
their description, labels/<folder>.tar.gz a folder of labels or pred1, logs/ the records, scores, tables and TensorBoard
logs, SHA256SUMS what `sha256sum -c` reads. The same run gives the same bytes. Paths that lead out of the working folder
(absolute, or with ..) are cut to their last part, and host names are left out.
"""

import argparse
import re
import shutil
from pathlib import Path
from typing import Any

from common.files.archive import write_tar_gz
from data.toy_drawing import CLASSES as TOY_CLASSES
from evaluate.scores import by_threshold
from report.run.folder import new_folder
from report.run.reading import Stage, read_scored, read_stage, read_stages
from report.run.templating import render
from report.tables.summary import said_of
from stages.arguments import file_name
from stages.command import command_parser, run_command
from stages.files import InputError, check_outside, read_json, write_json
from stages.fingerprints import content_of, sha256

SUMS = "SHA256SUMS"
TRAININGS = {  # commands that write weights, and those that read them
    "cls.train": "cls.infer",
    "fbr.train": "cls.infer",
    "cls.train_iam": "cls.infer",
    "cls.train_amn": "cls.infer_amn",
    "fbr.train_amn": "cls.infer_amn",
    "irn.train": "irn.walk",
    "seg.train": "seg.predict",
}
PLACE = re.compile(  # the folders of a path that is absolute or has "..": up to its last part
    r"""(?<![\w./~-])(?!(?<=:)//(?!/))  # not within a path or after https:
    (?:(?:[\w.-]+/)*\.\./|/+)
    (?:(?:[^\s/|]|(?<![:;])[ ](?!--\w|[/|'"]|(?<=,[ ])\d))+/+)*  # names of folders may have spaces; --options have none
    (?=[^\s/])""",
    re.VERBOSE,
)
METHODS = {  # name and paper: the commands that only runs of this method have
    ("NSROM", "https://arxiv.org/abs/2103.14581"): {"pseudo.nsrm"},
    ("AMN", "https://arxiv.org/abs/2203.16045"): {"cls.train_amn", "fbr.train_amn"},
    ("FBR", "https://arxiv.org/abs/2406.15755"): {"fbr.train", "fbr.train_amn"},
    ("IRN", "https://arxiv.org/abs/1904.05044"): {"irn.train"},
}


def parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder, all of whose stages must be finished")
    parser.add_argument("--out", type=Path, required=True, help=f"output folder; one with {SUMS} is replaced")
    parser.add_argument(
        "--stages", type=file_name, nargs="+", metavar="NAME", help="trainings to publish (default: all of the run)"
    )
    parser.add_argument("--no-labels", action="store_true", help="leave out labels and pred1")
    parser.add_argument("--data", type=Path, help="data set folder, if it has moved; only its record is read")
    return parser


def shareable(value: Any, run: Path) -> Any:
    """The same value, of what JSON can hold, with the PLACEs cut from its texts; those of `run` to the run's name."""
    if isinstance(value, dict):
        return {shareable(name, run): shareable(content, run) for name, content in value.items()}
    if isinstance(value, list):
        return [shareable(content, run) for content in value]
    if not isinstance(value, str):
        return value
    for place in (run, run.absolute(), run.resolve()):
        if place.is_absolute() or ".." in place.parts:
            value = re.sub(rf"(?<![\w./-]){re.escape(str(place))}(?![\w.-])", run.resolve().name, value)
    return PLACE.sub("", value)


def trainings_of(run: Path, stages: list[Stage], names: list[str] | None) -> list[str]:
    """The trainings to publish. Raises InputError if a stage of the run is not finished or a training is missing."""
    for stage in stages:
        if not stage.record["finished"]:
            raise InputError(f"{run / stage.folder}: {stage.command} has not finished there; run it again first")
    found = [stage.folder for stage in stages if stage.command in TRAININGS and "/" not in stage.folder]
    if not found:
        raise InputError(f"{run}: expected a run with trainings, found none")
    for name in names or ():
        if name not in found:
            raise InputError(f"--stages {name}: expected trainings of {run}: {' '.join(found)}")
    return names or found


def origins_of(stages: list[Stage], data: Path | None) -> list[Stage]:
    """The stages outside the run that made its data sets and its first weights, if their records exist."""
    named = [data] if data else [Path(str(stage.arguments["data"])) for stage in stages if "data" in stage.arguments]
    named += [Path(str(stage.arguments["init"])).parent for stage in stages if "init" in stage.arguments]
    return [read_stage(folder, "") for folder in dict.fromkeys(named) if (folder / "stage.json").is_file()]


def write_weights(run: Path, out: Path, stage: Stage) -> dict[str, Any]:
    """Write a training's weights; returns what the card says of them. Raises InputError if they are unusable."""
    from common.nets import portable
    from common.training import checkpoint

    source, path = run / stage.folder / "weights.pth", f"weights/{stage.folder}.safetensors"
    content = checkpoint.load(source)
    with checkpoint.prefix_errors(source):
        portable.write(out / path, content, stage.record)
    size, digest = (out / path).stat().st_size, sha256(out / path)
    return {"path": path, "stage": stage, "arch": content.get("arch") or {}, "size": size, "sha256": digest}


def write_labels(run: Path, out: Path, stage: Stage) -> dict[str, Any]:
    """Pack a folder of labels."""
    source, path = run / stage.folder, f"labels/{stage.folder}.tar.gz"
    names = sorted(content_of(source))
    (out / "labels").mkdir(exist_ok=True)
    write_tar_gz(out / path, {f"{stage.folder}/{name}": source / name for name in names})
    return {"path": path, "stage": stage, "count": len(names), "size": (out / path).stat().st_size}


def write_logs(run: Path, out: Path, stages: list[Stage]) -> None:
    """Write the records, scores, tables and TensorBoard logs. Raises InputError if one is unusable."""
    for stage in stages:
        folder, source = out / stage.folder, run / stage.folder
        folder.mkdir(parents=True)
        write_json(folder / "stage.json", stage.record)
        if (source / "scores.json").is_file():
            write_json(folder / "scores.json", shareable(read_json(source / "scores.json"), run))
        if (source / "images.jsonl").is_file():
            shutil.copyfile(source / "images.jsonl", folder / "images.jsonl")
        for number, log in enumerate(sorted(source.glob("tensorboard/events.out.tfevents.*"))):
            (folder / "tensorboard").mkdir(exist_ok=True)
            name = ".".join([*log.name.split(".")[:4], str(number)])  # seconds; a host's name and a process follow
            shutil.copyfile(log, folder / "tensorboard" / name)
    for path in run.glob("*.json"):
        write_json(out / path.name, shareable(read_json(path), run))
    for path in run.glob("*.md"):
        text = path.read_text("utf-8", "replace")
        (out / path.name).write_text(shareable(text, run), encoding="utf-8")


def card(run: Path, stages: list[Stage], origins: list[Stage], weights: list[dict], labels: list[dict]) -> str:
    """The model card in Markdown; that of toy weights says so in its first line.

    stages: of the run; origins: what made its data sets and first weights; weights, labels: what was written of them.
    """
    commands, made = ({stage.command for stage in found} for found in (stages, origins))
    learning = [stage for stage in stages if not stage.command.startswith("evaluate.")]
    classes = next((each["arch"]["class_names"] for each in weights if "class_names" in each["arch"]), [])
    scored = [each._replace(scores=shareable(each.scores, run)) for each in read_scored(run)]
    return render(
        "card.md",
        **{"stages": stages, "origins": origins, "weights": weights, "labels": labels, "classes": classes},
        made=made,
        read=sorted({part for stage in learning for part in stage.record["inputs"].get("data", {}).get("reads", [])}),
        readers=TRAININGS,
        toy=bool(made & {"data.prepare_toy", "weights.pretrain_toy"}) or classes == list(TOY_CLASSES),
        methods=[method for method, own in METHODS.items() if own & commands],
        scores=[
            (each, said_of(cut, found), found) for each in scored for cut, found in by_threshold(each.scores).items()
        ],
        versions=list(dict.fromkeys(name for stage in stages for name in stage.record["versions"])),
    )


def main(args: argparse.Namespace) -> None:
    """Write the folder. Raises InputError if the run is not finished or the folder cannot be written."""
    found = read_stages(args.run)
    check_outside(args.out, [args.run / stage.folder for stage in found])
    chosen = trainings_of(args.run, found, args.stages)
    stages, origins = (
        [Stage(stage.folder, shareable(stage.record, args.run)) for stage in each]
        for each in (found, origins_of(found, args.data))
    )
    with new_folder(args.out, SUMS) as out:
        (out / "weights").mkdir()
        weights = [write_weights(args.run, out, stage) for stage in stages if stage.folder in chosen]
        is_label = [stage for stage in stages if stage.folder.startswith("label_") or stage.folder == "pred1"]
        labels = [] if args.no_labels else [write_labels(args.run, out, stage) for stage in is_label]
        write_logs(args.run, out / "logs", stages)
        for number, origin in enumerate(origins):
            write_json(out / "logs" / f"origin{number}.json", origin.record)
        text = card(args.run, stages, origins, weights, labels)
        (out / "README.md").write_bytes(text.encode("utf-8", "replace"))  # JSON may hold half a character
        names = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
        (out / SUMS).write_text("".join(f"{sha256(out / name)}  {name}\n" for name in names))
    print(f"{len(weights)} weight files, {len(labels)} archives of labels -> {args.out}")


if __name__ == "__main__":
    run_command(main, parser())
