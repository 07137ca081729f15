"""Results stay valid: records written by an earlier version mean the same to this one.

tests/golden/records.zip holds a tiny run of every stage with its data, made by the version of 21 November 2026 (commit
37cccc8); each `stage.json` names the call that made it. It must not be made anew when a stage changes.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stages.fingerprints import Selection, fingerprint

FILES = {"images": "JPEGImages/{}.jpg", "saliency": "saliency/{}.png", "ground_truth": "SegmentationClass/{}.png"}
READS = {  # what each stage reads of the data set, beside list and classes
    "run/cls": ["images"],
    "run/iam": ["images"],
    "run/cam": ["images"],
    "run/label_initial": ["images", "saliency"],
    "run/label_pseudo": ["images"],
    "run/label_masked": ["images", "saliency"],
    "run/seg1": ["images"],
    "run/pred1": ["images"],
    "run/scores/pred1": ["images", "ground_truth"],
}
ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = ROOT / "tests" / "golden" / "records.zip"
RECORDS = sorted(
    name for name in zipfile.ZipFile(ARCHIVE).namelist() if name.endswith("stage.json") or name == "trunk.json"
)


@pytest.fixture(scope="module")
def old_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    zipfile.ZipFile(ARCHIVE).extractall(folder)
    return folder


def call(folder, record, *more):
    """Calls again what made a record, with further arguments, in the folder that its paths are relative to."""
    _, *arguments = shlex.split(json.loads((folder / record).read_text())["call"])
    command = [sys.executable, *arguments, *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_every_stage_has_a_record():
    assert len(RECORDS) == 14


@pytest.mark.parametrize("record", RECORDS)
def test_what_was_finished_is_finished(old_run, record):
    result = call(old_run, record)
    assert result.returncode == 0 and "nothing to do" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("record", "more", "difference"),
    [
        ("run/cls/stage.json", ["--no-tf32"], "--tf32 was True, now False"),  # an argument that the record lacks
        ("run/pred1/stage.json", ["--crf-min-probability", "0.1"], "--crf-min-probability was 0.0, now 0.1"),
        ("run/pred1/stage.json", ["--crf-backend", "lattice"], "--crf-backend was auto, now lattice"),
    ],
)
def test_what_is_asked_for_beyond_it_is_a_difference(old_run, record, more, difference):
    result = call(old_run, record, *more)
    assert result.returncode == 2 and difference in result.stderr, result.stderr


def selection(folder, record, parts):
    """The `parts` of the data set that the stage of a record reads."""
    split = record["arguments"]["split"]
    ids = [line.split()[0] for line in (folder / "data" / "lists" / f"{split}.txt").read_text().splitlines()]
    names = [FILES[part].format(id) for part in parts for id in ids]
    return Selection(parts, ["classes.txt", f"lists/{split}.txt", *names])


@pytest.mark.parametrize("stage", READS)
def test_each_stage_reads_its_parts_of_the_data_set(old_run, tmp_path, stage):
    folder = shutil.copytree(old_run, tmp_path / "copy")
    path = folder / stage / "stage.json"
    record = json.loads(path.read_text())
    record["inputs"]["data"] = fingerprint("--data", folder / "data", selection=selection(folder, record, READS[stage]))
    path.write_text(json.dumps(record))
    result = call(folder, f"{stage}/stage.json")
    assert result.returncode == 0 and "nothing to do" in result.stdout, result.stderr


def test_ground_truth_that_comes_later_is_no_change_for_what_reads_none(old_run, tmp_path):
    folder = shutil.copytree(old_run, tmp_path / "copy")
    path = folder / "run/cls/stage.json"
    record = json.loads(path.read_text())
    counted = fingerprint("--data", folder / "data", selection=selection(folder, record, ["images", "saliency"]))
    del counted["reads"]  # as an earlier version would have written it without ground truth
    record["inputs"]["data"] = counted
    path.write_text(json.dumps(record))
    result = call(folder, "run/cls/stage.json")
    assert result.returncode == 0 and "nothing to do" in result.stdout, result.stderr
    (folder / "data/JPEGImages/train_0001.jpg").write_bytes(b"another")
    result = call(folder, "run/cls/stage.json")
    assert result.returncode == 2 and "--data had another content" in result.stderr
