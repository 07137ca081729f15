"""scripts/gpu_check.sh on a CPU with tiny networks: results are reported and kept, whatever fails or ends it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import gpu_check
import page
import pytest
from gpu_checks import MAIN, SECOND, prepare, whole_run
from measurement import measured

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ("scripts/gpu_check.sh",)


def environment(tmp_path):
    """Variables for the script: the lines go to out, whatever else is written to t: a socket's path has 107 letters."""
    (tmp_path / "t").mkdir()
    own = {"THIN": "1", "OMP_NUM_THREADS": "1", "PYTHON": sys.executable, "VENV": ""}
    return os.environ | own | {"OUT": str(tmp_path / "out"), "TMPDIR": str(tmp_path / "t")}


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_what_a_cpu_can_show(tmp_path):
    command = [*SCRIPT, "measure", "100000"]
    result = subprocess.run(command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert files_of(tmp_path / "out") == ["measure.jsonl", "measure.log"]
    assert (tmp_path / "out/measure.log").read_text() == result.stdout
    assert not files_of(tmp_path / "t")
    lines = lines_of(tmp_path / "out/measure.jsonl")
    assert all(line["machine"] and line["command"].startswith("python benchmarks/gpu_check.py") for line in lines)
    whats = {line["what"] for line in lines if line["section"] == "Step times"}
    assert whats == {
        *(f"{name}, {mode}" for name in MAIN for mode in ("bfloat16", "float32", "TF32")),
        *("cls.train_iam, bfloat16", "seg.train VGG16, bfloat16"),
    }
    counts = {"Profile": 2 * 4, "Dense CRF": 4, "Prediction": 2, "Reading images": 5}
    for section, count in counts.items():
        assert sum(line["section"] == section for line in lines) == count, section
    assert lines[-1]["note"] == "without starting, the label stages, evaluation"
    assert page.page(lines).count("both rounds with ResNet-101 and CRF") == 1  # the last line of it


def test_two_processes_and_determinism_on_a_cpu(tmp_path):
    """A part of them; by hand, THIN=1 benchmarks/gpu_check.py --only processes determinism takes minutes."""
    place = prepare(tmp_path, True)
    for check in (SECOND[0], SECOND[1], SECOND[-1]):  # FBR, whose losses are no part of the weight file, is the first
        (line,) = check.function(place, *check.arguments)
        assert line["met"], line


def test_what_has_been_found_survives_an_end(tmp_path):
    """SIGTERM in the middle: every line that was printed is in the file, and nothing is left of the data."""
    out = tmp_path / "lines.jsonl"
    command = [sys.executable, "benchmarks/gpu_check.py", "--only", "steps", "profile", "prediction", "--out", out]
    variables = environment(tmp_path)
    process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    seen = [process.stdout.readline() for _ in range(6)]
    assert len(lines_of(out)) >= 6  # without an end that would close the file
    process.terminate()
    seen += process.stdout.readlines()
    assert process.wait() == 128 + signal.SIGTERM
    kept = [gpu_check.text(line) for line in lines_of(out)]
    shown = [line.decode().rstrip("\n") for line in seen]
    assert list(dict.fromkeys(kept)) == shown and len(shown) < 1 + 4 + 8 + 1
    assert not files_of(tmp_path / "t")


def test_the_whole_run_is_the_sum_of_its_stages():
    lines = [measured("Step times", f"{name}, bfloat16", "ms/step", {"cuda": ms}) for name, ms in
             (("cls.train", 20), ("cls.train_iam", 10), ("seg.train ResNet-101", 60))]  # fmt: skip
    reading = (("cls.train", 100), ("cls.train_iam", 1000), ("seg.train ResNet-101", 1000))
    lines += [measured("Reading images", name, "images/s", {"8 processes": n}) for name, n in reading]
    prediction = (("cls.infer", 200), ("seg.predict ResNet-101 with CRF", 20))
    lines += [measured("Prediction", name, "images/s", {"8 photographs": speed}) for name, speed in prediction]
    steps = 14 * 2117
    expected = {
        "cls.train": steps * 0.05 / 60,  # the loader is slower than the step
        "cls.train_iam": steps * 0.01 / 60,
        "seg.train ResNet-101": 20_000 * 0.06 / 60,
        "cls.infer": 2 * 10_582 / 200 / 60,
        "seg.predict ResNet-101 with CRF": (10_582 + 2 * 1449) / 20 / 60,
    }
    expected["together"] = sum(expected.values())
    whole = whole_run(lines)
    assert whole["sides"] == pytest.approx(expected, rel=1e-3)
    assert whole["note"] == "without starting, the label stages, evaluation"
