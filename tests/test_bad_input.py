"""What every command says to bad input: exit status 2, one line that names the file or the option, and nothing written.

The cases are the tables in tests/bad_input/. A command runs in this process, on copies that a case may damage; some run
in a process of their own as well. argparse shows its usage before its one line.
"""

import importlib.util
import json
import os
import runpy
import shlex
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from common import architecture, checkpoint
from common.files import read_indexed, write_grey, write_indexed

HERE = Path(__file__).parent
ACTIONS = runpy.run_path(HERE / "damage.py")  # what a case may do to the folder
CASES = [case for path in sorted((HERE / "bad_input").glob("*.py")) for case in runpy.run_path(path)["CASES"]]
NETWORK = "--channels 4 4 4 4 4 --depths 1 1 1 1 1 --workers 0 --device cpu"
CLS = f"--data @tiny --split train --out @out --epochs 1 --batch-size 2 --input-size 32 --nodes 2 --init @cls.pth {NETWORK}"
SEG = "--backbone vgg16 --fc-channels 4 --rates 1 --iterations 1 --batch-size 2 --crop-size 33 --init @seg.pth"
LABELS = "--data @tiny --split train --out @out --workers 1"
COMMANDS = {  # arguments with which the command works; @ stands for the test's folder
    "data.prepare_toy": "--out @out --train 1 --val 1 --workers 1",
    "data.prepare_voc12": "--devkit @VOCdevkit/VOC2012 --saliency @saliency_aug --sbd @sbd --out @out",
    "data.check": "--data @tiny --workers 1",
    "cls.train": CLS,
    "cls.train_iam": f"{CLS} --attention @attention",
    "cls.infer": "--data @tiny --split train --out @out --weights @cls.pth --input-size 32 --workers 0 --device cpu",
    "pseudo.background": f"{LABELS} --oa-cam @maps",
    "pseudo.pom": f"{LABELS} --label @label --cam @maps",
    "pseudo.nsrm": f"{LABELS} --pred @label --label @label",
    "seg.train": f"--data @tiny --split train --out @out --labels @label {SEG} {NETWORK}",
    "seg.predict": "--data @tiny --split train --out @out --weights @seg.pth --workers 0 --device cpu",
    "seg.evaluate": f"{LABELS} --pred @label",
    "seg.export_voc_server": "--data @voc --split val --pred @run/pred1 --out @out.tgz",
    "seg.table": "--run @run --name table3 --title T --row 1 67.7 pred1_val --row 2 '' pred2_val --plot N",
    "seg.collect": "--runs @run --tables table3 --out @out.jsonl",
    "seg.report": "--results @results.jsonl --out @out.md",
    "seg.summary": "--run @run",
    "seg.gallery": "--data @tiny --split train --run @run --out @out.png --count 2",
    "weights.fetch": "vgg16 --out @vgg16.pth",
    "weights.pretrain_toy": f"--out @out.pth --crops 4 --steps 1 --batch-size 2 {NETWORK}",
}
SCORES = {"mean_iou": 50.0, "ignored": 1.0, "false_negative": 2.0}
LINE = {"table": "table3", "row": "baseline", "paper": 67.7, "seed": 1, "commit": None, "torch": "2", "machine": "M"}


@pytest.fixture(scope="session")
def weights():
    """{name: content} of a tiny classifier and a tiny DeepLab with VGG16."""
    from cls.model import build as build_classifier
    from seg.deeplab import MultiScale, build

    torch.manual_seed(0)
    sizes = {"classes": 3, "channels": [4] * 5, "depths": [1] * 5}
    classifier = {"network": "classifier", **sizes, "nodes": 2}
    deeplab = {"backbone": "vgg16", **sizes, "fc_channels": 4, "rates": [1]}
    tensors = build_classifier(**classifier).state_dict(), MultiScale(build(**deeplab)).state_dict()
    return {
        "cls.pth": {"arch": classifier, "state_dict": tensors[0]},
        "seg.pth": {"arch": deeplab, "pyramid": [0.5], "state_dict": tensors[1]},
    }


@pytest.fixture
def place(tiny_data, tiny_devkit, tmp_path, weights, monkeypatch):
    """The test's folder, with what every command reads."""
    for line in (tiny_data / "lists/train.txt").read_text().splitlines():
        id, *classes = line.split()
        for folder, size in (("maps", (8, 8)), ("attention", (4, 4))):
            (tmp_path / folder).mkdir(exist_ok=True)
            for cls in classes:
                write_grey(
                    tmp_path / folder / f"{id}_{cls}.png", np.arange(size[0] * size[1], dtype=np.uint8).reshape(size)
                )
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
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    monkeypatch.chdir(tmp_path)  # what is written to a relative path would show
    return tmp_path


def put_records(place):
    """The scores, the table and the records of stages of a run, and lines of seg.collect."""
    names = ["cam", "oa_cam", "label_initial", "label_pseudo", "pred1", "label_masked", "pred1_val", "pred2_val"]
    for name in names:
        (place / "run/scores" / name).mkdir(parents=True)
        scores = SCORES | {"simple": SCORES, "complex": SCORES}
        (place / "run/scores" / name / "scores.json").write_text(json.dumps(scores))
    record = json.dumps({"arguments": {"seed": 1}, "versions": {"torch": "2"}})
    for name in ("cls", "cam", "oa_cam", *names[2:]):
        (place / "run" / name).mkdir(exist_ok=True)
        (place / "run" / name / "stage.json").write_text(record)
    rows = [{"row": "baseline", "paper": "67.7", "folder": "pred1_val"}]
    (place / "run/table3.json").write_text(json.dumps(rows))
    (place / "results.jsonl").write_text(json.dumps({"setting": "ablation"} | LINE | SCORES) + "\n")


def snapshot(place):
    """{path: content, a link's target or None}, of everything below a folder."""

    def content(path):
        if path.is_symlink():
            return path.readlink()
        return path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else None

    return {path: content(path) for path in sorted(place.rglob("*"))}


def arguments(place, command, more=""):
    return [part.replace("@", f"{place}/") for part in shlex.split(f"{COMMANDS[command]} {more}")]


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command in this process: (exit status, stdout, stderr)."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(command, arguments):
        monkeypatch.setattr(sys, "argv", [importlib.util.find_spec(command).origin, *arguments])
        status = 0
        try:
            runpy.run_module(command, run_name="__main__")
        except SystemExit as end:
            status = end.code or 0
        return status, *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def refused(status, stderr, fragment):
    """Asserts exit status 2 and one line on stderr with `fragment` in it, or argparse's usage and such a line."""
    *usage, last = stderr.splitlines() or [""]
    assert status == 2 and fragment in last, stderr
    assert not usage or (usage[0].startswith("usage: ") and ": error: " in last and "Traceback" not in stderr), stderr


def prepared(place, damages):
    """Does what a case asks for; returns the snapshot after it."""
    for action, path, *rest in damages:
        ACTIONS[action](place / path, *rest)
    return snapshot(place)


def cases(holds):
    """The cases for which `holds(kind, id)`, as pytest wants them."""
    chosen = []
    for kind, name, command, damages, more, fragment in CASES:
        damages = [damages] if isinstance(damages, tuple) else damages
        id = f"{kind}: {name}, {command}"
        if holds(kind, id):
            chosen.append(pytest.param(command, damages, more, fragment, id=id))
    return pytest.mark.parametrize("command, damages, more, fragment", chosen)


@cases(lambda kind, _: kind == "numbers")
def test_bad_numbers_are_refused_before_anything_is_read(tmp_path, run, command, damages, more, fragment):
    status, _, stderr = run(command, arguments(tmp_path, command, more))
    refused(status, stderr, fragment)
    assert "usage: " in stderr and not snapshot(tmp_path)


@cases(lambda kind, _: kind != "numbers")
def test_bad_input(place, run, recwarn, command, damages, more, fragment):
    before = prepared(place, damages)
    status, _, stderr = run(command, arguments(place, command, more))
    refused(status, stderr, fragment)
    assert snapshot(place) == before
    hidden = (RuntimeWarning, Image.DecompressionBombWarning)  # of runpy; and one that the command itself silences
    assert not [each for each in recwarn if not issubclass(each.category, hidden)], "they would stand on stderr"


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"weights.fetch"}))
def test_without_damage_the_command_works(place, run, command):
    status, stdout, stderr = run(command, arguments(place, command))
    assert status == 0, stderr


IN_A_PROCESS = [
    "lists: binary, data.check",
    "images: larger than Pillow likes, seg.predict",
    "weights: a sparse tensor, cls.infer",
    "records: table binary, seg.collect",
    "numbers: --kernel-size 0, pseudo.nsrm",
    "folders: --out somebody's folder, data.prepare_toy",
]


@cases(lambda _, id: id in IN_A_PROCESS)
def test_bad_input_in_a_process_of_its_own(place, run_command, command, damages, more, fragment):
    before = prepared(place, damages)
    result = run_command(command, *arguments(place, command, more))
    refused(result.returncode, result.stderr, fragment)
    assert snapshot(place) == before


def test_the_tables_are_large_and_name_every_command():
    names = [f"{kind}: {name}, {command}" for kind, name, command, *_ in CASES]
    assert len(names) == len(set(names)) and len({case[:2] for case in CASES}) > 200
    assert {command for _, _, command, *_ in CASES} == COMMANDS.keys()
    assert set(IN_A_PROCESS) <= set(names)


def test_architectures_are_those_of_the_networks():
    import inspect

    from cls import model
    from seg import deeplab

    for key, networks in (("network", model.NETWORKS), ("backbone", deeplab.NETWORKS)):
        assert networks.keys() == architecture.SIZES[key].keys()
        for name in networks:
            parameters = inspect.signature(networks[name]).parameters.keys() - {"sizes"}
            if name != "iam":
                assert parameters == architecture.SIZES[key][name].keys()


def table():
    """The cases in Markdown, those of several commands or values in one row."""
    rows = {}
    for kind, name, command, _, _, fragment, *_ in CASES:
        first, _, value = name.partition(" ")
        key = (kind, first if kind == "numbers" else name, fragment)
        values, commands = rows.setdefault(key, ({}, {}))
        values[f"`{value}`"] = commands[command] = None
    lines = ["| kind | case | command | message |", "|---|---|---|---|"]
    for (kind, name, fragment), (values, commands) in rows.items():
        case = f"`{name}` {' '.join(values)}" if kind == "numbers" else name
        shown = f"{fragment[:60]}…" if len(fragment) > 60 else fragment.strip()
        lines.append(f"| {kind} | {case} | {', '.join(commands)} | {shown.replace('|', ' ')} |")
    return "\n".join(lines)


if __name__ == "__main__":  # PYTHONPATH=. python tests/test_bad_input.py
    print(table())
