"""What every command says to bad input: exit status 2, one line that names the file or the option, and nothing written.

Here each command meets arguments and files that it cannot use, in this process; some in a process of their own as
well. What each kind of file may hold: tests/test_bad_files.py. What each type of argument takes:
tests/stages/test_arguments.py. argparse shows its usage before its one line.
"""

import argparse
import importlib.util
import json
import os
import re
import runpy
import shlex
import shutil
import signal
import sys
import traceback
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

ACTIONS = runpy.run_path(Path(__file__).with_name("damage.py"))  # what a case may do to the folder

write_coco = runpy.run_path(Path(__file__).parent / "data/made_coco.py")["write_coco"]

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {path: path.read_text() for package in ROOT.glob("*/__init__.py") for path in package.parent.rglob("*.py")}
FOUND = sorted(  # every command
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path, text in SOURCES.items()
    if "__main__" in text and "parser" in text
)
TABLES = runpy.run_path(Path(__file__).parent / "bad_input/commands.py")
COMMANDS, READS, DAMAGED, OTHERS = (TABLES[name] for name in ("COMMANDS", "READS", "DAMAGED", "OTHERS"))
OUT_FILES = {"evaluate.voc_server": "tgz", "weights.fetch": "pth"}
OUT_FILES |= {"report.studies.collect": "jsonl", "report.studies.tables": "md", "report.studies.picture": "png"}
OUT_FILES |= {"report.tables.gallery": "png", "report.tables.figure4": "png"}
# folders whose mark is another file than stage.json
REPORTS = {"report.run.html": "report.json", "report.run.publish": "SHA256SUMS"}


@pytest.fixture(scope="session")
def weights():
    """{name: content} of a tiny classifier, a tiny DeepLab and a tiny IRN with VGG16."""
    from cls.model import build as build_classifier
    from irn.model import build as build_irn
    from seg.deeplab import MultiScale, build

    torch.manual_seed(0)
    sizes = {"classes": 3, "channels": [4] * 5, "depths": [1] * 5}
    classifier = {"network": "classifier", **sizes, "nodes": 2}
    deeplab = {"backbone": "vgg16", **sizes, "fc_channels": 4, "rates": [1]}
    irn = {"network": "irn", "backbone": "vgg16", "channels": [4] * 5, "depths": [1] * 5, "branch_width": 4}
    irn |= {"crop_size": 64}
    tensors = build_classifier(**classifier).state_dict(), MultiScale(build(**deeplab)).state_dict()
    return {
        "cls.pth": {"arch": classifier, "state_dict": tensors[0]},
        "seg.pth": {"arch": deeplab, "pyramid": [0.5], "state_dict": tensors[1]},
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
    ACTIONS["write"](place / "run/scores/instances/scores.json", json.dumps({"mean_ap": {"0.5": 61.0}}))


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
            ACTIONS["write"](run / "scores/pred2" / file, json.dumps(content))


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
        ACTIONS["write"](place / folder / "stage.json", json.dumps(record | {"versions": {}} | times))
    scores = json.dumps({"mean_iou": 50.0, "ignored": 1.0, "false_negative": 2.0})
    files = {
        "scores/pred1/scores.json": scores,
        "scores/pred1/images.jsonl": "",
        "table3.json": "[]",
        "table3.md": "a table",
        "pred1/a.png": "a label",
    }
    for name, content in files.items():
        ACTIONS["write"](place / "finished" / name, content)
    shutil.copy(place / "cls.pth", place / "finished/cls/weights.pth")


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command in this process: (exit status, stdout, stderr)."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)  # one core: nothing in other processes
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(command, arguments):
        monkeypatch.setattr(sys, "argv", [importlib.util.find_spec(command).origin, *arguments])
        status = 0
        try:
            runpy.run_module(command, run_name="__main__")
        except SystemExit as end:
            status = end.code or 0
        except Exception:
            traceback.print_exc()
            status = 1
        return status, *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Parsed(BaseException):
    """Stops a command where it parses its arguments."""


def parser_of(command, run):
    """The command's argparse.ArgumentParser."""

    def stop(self, *_):
        raise Parsed(self)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Parsed) as caught:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        run(command, [])
    return caught.value.args[0]


def options_of(command, run):
    """{option: argparse's action}, from the command's parser."""
    return {action.option_strings[0]: action for action in parser_of(command, run)._actions if action.option_strings}


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
        return path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else None

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
            ACTIONS[action](path, *rest)
        yield
        for number, path in enumerate(paths):
            if os.path.lexists(path):
                path.unlink() if path.is_symlink() else ACTIONS["remove"](path)
            if os.path.exists(f"{kept}/{number}"):
                (shutil.copytree if os.path.isdir(f"{kept}/{number}") else shutil.copy2)(f"{kept}/{number}", path)


def fault(status, stderr, fragment):
    """What is wrong with a refusal: exit status 2 and one line with `fragment`, after argparse's usage or not."""
    *usage, last = stderr.splitlines() or [""]
    if status != 2 or fragment not in last or "Traceback" in stderr:
        return f"expected {fragment!r}, found exit status {status} and {stderr[-300:]!r}"
    if usage and not (usage[0].startswith("usage: ") and ": error: " in last):
        return f"expected one line, found {stderr!r}"
    return None


def cases_of(command, options, given):
    """Yields (more arguments, what is done first, message): what arguments and files make possible, and OTHERS.

    `options` are the command's, {option: argparse's action}, `given` the words with which it is called.
    """
    inputs = [name for name, action in options.items() if action.type is Path and name in given and name != "--out"]
    yield "--yeti", [], "unrecognized arguments: --yeti"
    for name in inputs:
        yield f"{name} @none", [], "/none"
        yield f"{name} @absent", [("link", "absent")], "/absent"
    if "--data" in inputs:
        yield "--data @cls.pth", [], "/cls.pth"
        yield "--data @mine", [], "mine/classes.txt"
    if "--split" in options:
        yield "--split ../lists/train", [], "--split: expected the name of a list"
        yield "--split ''", [], "--split: expected the name of a list"
        yield "--split none", [], "none.txt: cannot be read"
    if "--device" in options:
        for device, message in (("yeti", "yeti: expected"), ("cuda:99", "cuda:99: "), ("meta", "meta: expected")):
            yield f"--device {device}", [], f"--device {message}"
    if command in OUT_FILES:
        ending = OUT_FILES[command]
        yield f"--out @old.{ending}", [("write", f"old.{ending}/x")], f"old.{ending}"
        if command != "evaluate.voc_server":  # makes the folder
            yield f"--out @none/out.{ending}", [], "none: no such folder"
    elif command in REPORTS or "--force" in options:  # it writes a folder
        yield "--out @results.jsonl", [], "results.jsonl: expected a folder to write to"
        yield "--out @results.jsonl/out", [], "results.jsonl/out: "
        if command in REPORTS:
            yield "--out @mine", [], f"mine: expected a folder to write to, empty or with {REPORTS[command]}"
        for force in ("", " --force") if command not in REPORTS else ():
            yield f"--out @mine{force}", [], "mine: exists, but stage.json is not there"
        yield "--out @absent", [("link", "absent")], "/absent"
        yield f"--out @{'a' * 300}", [], "a" * 300
        for name in inputs:
            folder = given[given.index(name) + 1]
            if not folder.endswith(".pth"):
                yield f"--out {folder}", [], f"{folder[1:]}: e"
    for path in READS.get(command, "").split():
        yield "", [("remove", path)], Path(path).name
        yield "", [("folder", path)], Path(path).name
    for path in f"{READS.get(command, '')} {DAMAGED.get(command, '')}".split():
        yield "", [("write", path, b"\xff\xfe\x00\x81" * 9)], Path(path).name
    yield from OTHERS.get(command, [])


@pytest.mark.parametrize("command", FOUND)
def test_bad_arguments_and_files_are_refused_and_nothing_is_written(place, run, recwarn, command):
    options = options_of(command, run)
    words = words_of(command, options)
    for more, damages, fragment in cases_of(command, options, shlex.split(words)):
        with damaged(place, damages):
            before = snapshot(place)
            status, _, stderr = run(command, arguments(place, f"{words} {more}"))
            found = fault(status, stderr, fragment) or (snapshot(place) != before and "something was written")
            assert not found, f"{command} {more:.60} {damages}: {found}"
    hidden = (RuntimeWarning, Image.DecompressionBombWarning)  # of runpy; and one that the command itself silences
    assert not [each for each in recwarn if not issubclass(each.category, hidden)], "they would stand on stderr"


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"weights.fetch"}))
def test_without_damage_the_command_works(place, run, command):
    status, stdout, stderr = run(command, arguments(place, COMMANDS[command]))
    assert status == 0, stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
@pytest.mark.parametrize("command, path, more, fragment", TABLES["LOCKED"])
def test_what_may_not_be_read_or_written_is_named(place, run, command, path, more, fragment):
    (place / path).chmod(0)
    status, _, stderr = run(command, arguments(place, f"{COMMANDS[command]} {more}"))
    (place / path).chmod(0o755)
    assert not fault(status, stderr, fragment)


@pytest.mark.parametrize("command, more, damages, fragment", TABLES["IN_A_PROCESS"])
def test_bad_input_in_a_process_of_its_own(place, run_command, command, more, damages, fragment):
    with damaged(place, damages):
        before = snapshot(place)
        result = run_command(command, *arguments(place, f"{COMMANDS[command]} {more}"))
        assert not fault(result.returncode, result.stderr, fragment) and snapshot(place) == before


def test_every_number_and_name_is_checked_by_its_type(run):
    """Each option refuses what is neither; those of the tables' commands take what OPTIONS says."""
    expected = {}
    for text, names in TABLES["OPTIONS"].items():
        for name in names.split():
            expected.setdefault(name, []).append(text)
    for command in FOUND:
        for name, action in options_of(command, run).items():
            if action.type in (None, Path):
                continue
            with pytest.raises((argparse.ArgumentTypeError, ValueError)) as error:
                action.type("#")
            if command in COMMANDS and name in expected and not action.choices:
                said = str(error.value).removeprefix("expected ").removesuffix(", found '#'")
                assert said in expected[name], f"{command} {name}"


def test_every_command_of_the_tables_is_there():
    assert COMMANDS.keys() <= set(FOUND) and OTHERS.keys() | READS.keys() | DAMAGED.keys() <= COMMANDS.keys()
