"""What a command says to bad input: exit status 2, one line that names the file or the option, and nothing written.

Here each command meets what only it can meet, an input that is missing and a foreign output folder, in this process.
What each kind of file may hold: tests/test_bad_files.py; what each type of argument takes:
tests/stages/test_arguments.py; what every stage refuses: tests/stages/test_record.py. argparse shows its usage first.
"""

import argparse
import importlib.util
import json
import os
import re
import runpy
import shlex
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from PIL import Image

from common.files.images import read_indexed, write_grey, write_indexed
from common.files.instances import write_instances
from common.training import checkpoint
from tests import damage
from tests.bad_input.commands import COMMANDS, FAULTS
from tests.data.made_coco import write_coco

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {path: path.read_text() for package in ROOT.glob("*/__init__.py") for path in package.parent.rglob("*.py")}
FOUND = sorted(  # every command
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path, text in SOURCES.items()
    if "__main__" in text and "parser" in text
)


@pytest.fixture(scope="session")
def weights():
    """{name: content} of a tiny classifier, a tiny DeepLab and a tiny IRN with VGG16."""
    from cls.amn import build as build_amn
    from cls.model import build as build_classifier
    from irn.model import build as build_irn
    from seg.deeplab import MultiScale, build

    torch.manual_seed(0)
    sizes = {"classes": 3, "channels": [4] * 5, "depths": [1] * 5}
    classifier = {"network": "classifier", **sizes, "nodes": 2}
    deeplab = {"backbone": "vgg16", **sizes, "fc_channels": 4, "rates": [1]}
    irn = {"network": "irn", "backbone": "vgg16", "channels": [4] * 5, "depths": [1] * 5, "branch_width": 4}
    irn |= {"crop_size": 64}
    amn = {"network": "amn", "backbone": "vgg16", "channels": [4] * 5, "depths": [1] * 5, "classes": 3, "rates": [1]}
    tensors = build_classifier(**classifier).state_dict(), MultiScale(build(**deeplab)).state_dict()
    return {
        "cls.pth": {"arch": classifier, "state_dict": tensors[0]},
        "seg.pth": {"arch": deeplab, "pyramid": [0.5], "state_dict": tensors[1]},
        "amn.pth": {"arch": amn, "state_dict": build_amn(**amn).state_dict()},
        "irn.pth": {"arch": irn, "state_dict": build_irn(**irn).state_dict()},
    }


@pytest.fixture
def place(tiny_data, tiny_devkit, tmp_path, weights, monkeypatch):
    """The test's folder, with what every command reads."""
    for folder, size in (("maps", (8, 8)), ("attention", (4, 4))):
        (tmp_path / folder).mkdir()
        for line in (tiny_data / "lists/train.txt").read_text().splitlines():
            id, *classes = line.split()
            for cls in classes:
                grey = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size)
                write_grey(tmp_path / folder / f"{id}_{cls}.png", grey)
    for row in ("ce", "all"):
        shutil.copytree(tmp_path / "maps", tmp_path / "run" / row / "cam")
    put_context(tiny_data)
    put_instances(tmp_path)
    shutil.copytree(tiny_data / "SegmentationClass", tmp_path / "label")
    for name in ("label_initial", "label_pseudo", "label_masked", "pred1", "pred2"):
        (tmp_path / "run" / name).mkdir(parents=True)
        for path in (tmp_path / "label").iterdir():
            write_indexed(tmp_path / "run" / name / path.name, read_indexed(path) % 255)
    for name in ("JPEGImages", "lists"):
        shutil.copytree(tiny_data / name, tmp_path / "voc" / name)
    (tmp_path / "voc/classes.txt").write_text("".join(f"class{number}\n" for number in range(20)))
    for name, content in weights.items():
        checkpoint.save(tmp_path / name, **content)
    put_records(tmp_path)
    put_compared(tmp_path)
    put_finished(tmp_path)
    write_coco(tmp_path / "coco", train=1, val=1, height=12, width=16)
    tags = {"a_simple": "disc", "b_simple": "bar", "c_complex": "disc;square", "d_complex": "disc;square;bar"}
    lines = ["file,tags", *(f"{id}.jpg,{own}" for id, own in tags.items())]
    (tmp_path / "tags.csv").write_text("\n".join(lines))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    monkeypatch.chdir(tmp_path)  # what is written to a relative path would show
    return tmp_path


def put_records(place):
    """The scores, the table and the records of stages of a run, and lines of report.studies.collect."""
    scores = {"mean_iou": 50.0, "ignored": 1.0, "false_negative": 2.0}
    names = ["cam", "oa_cam", "label_initial", "label_pseudo", "pred1", "label_masked", "pred1_val", "pred2_val"]
    for name in names:
        (place / "run/scores" / name).mkdir(parents=True)
        kinds = {"simple": scores, "complex": scores}
        (place / "run/scores" / name / "scores.json").write_text(json.dumps(scores | kinds))
    record = json.dumps({"arguments": {"seed": 1}, "versions": {"torch": "2"}})
    for name in ("cls", "cam", "oa_cam", *names[2:]):
        (place / "run" / name).mkdir(exist_ok=True)
        (place / "run" / name / "stage.json").write_text(record)
    rows = [{"row": "baseline", "paper": "67.7", "folder": "pred1_val"}]
    (place / "run/table3.json").write_text(json.dumps(rows))
    line = {"setting": "ablation", "table": "table3", "row": "baseline", "paper": 67.7, "seed": 1}
    line |= {"commit": None, "torch": "2", "machine": "M"}
    fig6 = line | {"table": "fig6", "row": "8"}
    (place / "results.jsonl").write_text("".join(json.dumps(each | scores) + "\n" for each in (line, fig6)))
    damage.write(place / "run/scores/instances/scores.json", json.dumps({"mean_ap": {"0.5": 61.0}}))


def put_context(data):
    """Masks in which all background of an image, of some 1000 pixels or more, is the context of its first class."""
    (data / "context").mkdir()
    for line in (data / "lists/train.txt").read_text().splitlines():
        id, first, *_ = line.split()
        truth = read_indexed(data / "SegmentationClass" / f"{id}.png")
        write_indexed(data / "context" / f"{id}.png", np.where(truth == 0, int(first) + 1, 0).astype(np.uint8))


def put_instances(place):
    """In each image, one object and one instance of each class: all its pixels."""
    for folder in ("tiny/InstanceMasks", "instances"):
        (place / folder).mkdir()
    for line in (place / "tiny/lists/train.txt").read_text().splitlines():
        id, *classes = line.split()
        truth = read_indexed(place / "tiny/SegmentationClass" / f"{id}.png")
        write_indexed(place / "tiny/InstanceMasks" / f"{id}.png", truth)
        masks = np.stack([truth == int(cls) + 1 for cls in classes])
        write_instances(place / "instances", id, masks, classes, [0.5] * len(classes))


def put_compared(place):
    """Two runs with a scored prediction, in which a_simple gains from the one to the other."""
    scores = {"mean_iou": 50.0, "ignored": 1.0, "false_negative": 2.0, "class_iou": {"disc": 50.0}}
    data = {"sha256": "0" * 64, "seen": ""}
    record = {"command": "evaluate.labels", "arguments": {"split": "train", "seed": 1}, "inputs": {"data": data}}
    record |= {"versions": {"torch": "2"}, "call": "", "started": "2026-01-01 10:00:00", "finished": None}
    for name, score in (("a", 40.0), ("b", 60.0)):
        run = place / "compared" / name
        shutil.copytree(place / "label", run / "pred2")
        line = {"id": "a_simple", "mean_iou": score, "ignored": 0.0, "class_iou": {}}
        files = {"stage.json": record, "scores.json": scores, "images.jsonl": line}
        for file, content in files.items():
            damage.write(run / "scores/pred2" / file, json.dumps(content))


def put_finished(place):
    """A finished run of a classifier and a scored prediction, on data of which a record is there."""
    data = {"sha256": "0" * 64, "seen": ""}
    times = {"started": "2026-01-01 10:00:00", "finished": "2026-01-01 10:00:30"}
    for folder, command in (
        ("drawn", "data.prepare_toy"),
        ("finished/cls", "cls.train"),
        ("finished/pred1", "seg.predict"),
        ("finished/scores/pred1", "evaluate.labels"),
    ):
        record = {"command": command, "arguments": {"data": "drawn", "split": "train"}, "inputs": {"data": data}}
        damage.write(place / folder / "stage.json", json.dumps(record | {"versions": {}} | times))
    scores = json.dumps({"mean_iou": 50.0, "ignored": 1.0, "false_negative": 2.0})
    files = {
        "scores/pred1/scores.json": scores,
        "scores/pred1/images.jsonl": "",
        "table3.json": "[]",
        "table3.md": "a table",
        "pred1/a.png": "a label",
    }
    for name, content in files.items():
        damage.write(place / "finished" / name, content)
    shutil.copy(place / "cls.pth", place / "finished/cls/weights.pth")


class Parsed(BaseException):
    """Stops a command where it parses its arguments."""


def options_of(command):
    """{option: argparse's action}, from the command's parser."""

    def stop(self, *_):
        raise Parsed(self)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Parsed) as caught:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr("sys.argv", [importlib.util.find_spec(command).origin])
        runpy.run_module(command, run_name="__main__")
    actions = caught.value.args[0]._actions
    return {action.option_strings[0]: action for action in actions if action.option_strings}


def words_of(command, options):
    """Arguments of a command: the table's; of another command those that its options have in the table.

    Commands of the same package come first.
    """
    if command in COMMANDS:
        return COMMANDS[command]
    known = {}
    for other in sorted(COMMANDS, key=lambda other: other.partition(".")[0] != command.partition(".")[0]):
        for name, values in re.findall(r"(--[\w-]+)((?: (?!--)\S+)*)", COMMANDS[other]):
            known.setdefault(name, values)
    if unknown := [name for name, action in options.items() if action.required and name not in known]:
        pytest.skip(f"tests/bad_input/commands.py does not say what {command} could take as {' '.join(unknown)}")
    return " ".join(f"{name}{known[name]}" for name in options if name in known)


def arguments(place, words):
    return [part.replace("@", f"{place}/") for part in shlex.split(words)]


def snapshot(place):
    """{path: content, a link's target or None}, of everything below a folder."""

    def content(path):
        if path.is_symlink():
            return path.readlink()
        return path.read_bytes() if path.is_file() else None

    found = (path for path in sorted(place.rglob("*")) if path.name != ".fingerprints")  # remembered hashes
    return {path: content(path) for path in found}


@contextmanager
def damaged(place, damages):
    """A block in which the files are as `damages`, of (action, path, …), leave them; afterwards they are as before."""
    with TemporaryDirectory() as kept:
        paths = [place / path for _, path, *_ in damages]
        for number, path in enumerate(paths):
            if path.exists():
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, f"{kept}/{number}")
        for (action, _, *rest), path in zip(damages, paths):
            getattr(damage, action)(path, *rest)
        yield
        for number, path in enumerate(paths):
            if os.path.lexists(path):
                path.unlink() if path.is_symlink() else damage.remove(path)
            if os.path.exists(f"{kept}/{number}"):
                (shutil.copytree if os.path.isdir(f"{kept}/{number}") else shutil.copy2)(f"{kept}/{number}", path)


def fault(stderr, fragment):
    """What is wrong with a refusal: one line with `fragment`, after argparse's usage or not."""
    *usage, last = stderr.splitlines() or [""]
    if fragment not in last or "Traceback" in stderr:
        return f"expected {fragment!r}, found {stderr[-300:]!r}"
    if usage and not (usage[0].startswith("usage: ") and ": error: " in last):
        return f"expected one line, found {stderr!r}"
    return None


def cases_of(command, options, given):
    """Yields (more arguments, damages to make first, message), from `options`, as options_of has them, and FAULTS."""
    inputs = [name for name, action in options.items() if action.type is Path and name in given and name != "--out"]
    for name in inputs[:1]:
        yield f"{name} @none", [], "/none"
    if "--force" in options and command not in ("weights.fetch", "evaluate.voc_server"):  # they write one file
        yield "--out @mine --force", [], "mine: exists, but stage.json is not there"
    yield from FAULTS.get(command, [])


@pytest.mark.parametrize("command", FOUND)
def test_bad_input_is_refused_and_nothing_is_written(place, in_process, capsys, recwarn, command):
    options = options_of(command)
    for action in options.values():
        if action.type not in (None, Path):
            with pytest.raises((argparse.ArgumentTypeError, ValueError)):
                action.type("#")
    words = words_of(command, options)
    for more, damages, fragment in cases_of(command, options, shlex.split(words)):
        with damaged(place, damages):
            before = snapshot(place)
            in_process(command, *arguments(place, f"{words} {more}"), status=2)
            found = fault(capsys.readouterr().err, fragment) or (snapshot(place) != before and "something was written")
            assert not found, f"{command} {more:.60} {damages}: {found}"
    hidden = (RuntimeWarning, Image.DecompressionBombWarning)  # of runpy; and one that the command itself silences
    assert not [each for each in recwarn if not issubclass(each.category, hidden)], "they would stand on stderr"


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"weights.fetch"}))
def test_without_damage_the_command_works(place, in_process, capsys, command):
    in_process(command, *arguments(place, COMMANDS[command]))
    said = capsys.readouterr()
    assert said.out and ": error: " not in said.err


def test_bad_input_in_a_process_of_its_own(place, run_command):
    damage.write(place / "tiny/lists/train.txt", b"\xff\xfe\x00")
    result = run_command("data.check", *arguments(place, COMMANDS["data.check"]))
    assert result.returncode == 2 and not fault(result.stderr, "train.txt: expected UTF-8 text")
    result = run_command("pseudo.nsrm", *arguments(place, f"{COMMANDS['pseudo.nsrm']} --kernel-size 0"))
    assert result.returncode == 2 and not fault(result.stderr, "argument --kernel-size: ")
    usage = run_command("report.run.compare").stderr
    assert usage.startswith("usage: python -m report.run.compare ") and "python -m report.run.compare: error: " in usage
