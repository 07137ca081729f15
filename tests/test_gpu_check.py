"""What scripts/gpu_check.sh runs, on a CPU and tiny: a check that fails is told, and the others still run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import disturbed  # noqa: E402
import fbr  # noqa: E402
import finished  # noqa: E402
import gpu_runner  # noqa: E402
import page  # noqa: E402
import scaling  # noqa: E402
from gpu_checks import Place  # noqa: E402
from measurement import checked, measured  # noqa: E402

CPU = Place(Path("nowhere"), torch.device("cpu"), True)
ENVIRONMENT = os.environ | {"THIN": "1", "OMP_NUM_THREADS": "1"}


def run(*command, **environment):
    options = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 300}
    return subprocess.run([*map(str, command)], env=ENVIRONMENT | environment, **options)


def test_what_a_cpu_can_show(tmp_path):
    out = tmp_path / "folder/lines.jsonl"
    checks = "devices waits steps prediction crf irn loaders labels copies run".split()
    result = run(sys.executable, "benchmarks/gpu_check.py", "--only", *checks, "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == len(result.stdout.splitlines()) and all(line["machine"] for line in lines)
    whats = {line["what"] for line in lines if line["section"] == "Step times"}
    trained = {"cls.train", "cls.train_fbr", "cls.train_iam", "seg.train ResNet-101", "seg.train VGG16", "irn.train"}
    assert whats == trained
    sections = {"Prediction": 3, "IRN": 10, "Reading images": 6, "Labels": 1, "The paper's whole run, extrapolated": 7}
    for section, count in sections.items():
        assert sum(line["section"] == section for line in lines) == count, section
    text = page.report([], [], lines)
    assert text.count("\n### ") == len({line["section"] for line in lines})


def test_what_fbr_costs(tmp_path):
    """A step in which a part of FBR had nothing to do would be no measurement, and the check would have failed."""
    out = tmp_path / "lines.jsonl"
    result = run(sys.executable, "benchmarks/gpu_check.py", "--only", "fbr", "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    sides = {line["what"]: line.get("sides") for line in map(json.loads, out.read_text().splitlines())}
    for name in fbr.VARIANTS:
        plain, own = sides[name].values()
        assert sides[f"{name}, a step"] == {"cls.train_fbr": pytest.approx(own / plain, rel=0.01)}
        assert all(memory > 0 for memory in sides[f"{name}, peak memory"].values())
        assert {f"{name}, {precision}, from start to end" for precision in ("--amp", "--no-amp")} < set(sides)


def lines_of(checks, monkeypatch):
    monkeypatch.setattr(gpu_runner, "CHECKS", checks)
    return list(gpu_runner.run_checks(CPU, list(checks)))[1:]


def test_after_a_check_that_raises_the_others_run(monkeypatch, capsys):
    def raising(place, lines):
        yield checked("A", "first", True, "fine")
        raise ValueError("a reason")

    def last(place, lines):
        yield checked("B", f"after {len(lines)} lines", False, "bad")

    first, failed, other = lines_of({"raising": raising, "last": last}, monkeypatch)
    assert first["met"] and not failed["met"] and failed["found"] == "ValueError: a reason"
    assert other["what"] == "after 3 lines" and gpu_runner.text(other) == "FAILED  B: after 3 lines: bad"
    assert "a reason" in capsys.readouterr().err  # the traceback


def test_what_has_no_time_has_failed(monkeypatch):
    ran = []

    def slow(place, lines):
        gpu_runner.time_up(signal.SIGALRM, None)
        yield

    found = lines_of({"slow": slow, "next": lambda place, lines: ran.append("next")}, monkeypatch)
    assert [line["found"] for line in found] == ["TimeUp: no time was left"] * 2 and not ran


@pytest.mark.parametrize("passed, status", [(True, 0), (False, 1)])
def test_the_exit_status(passed, status, monkeypatch, tmp_path):
    lines = [checked("A", "check", passed, "seen"), measured("B", "speed", "ms", {"one": 9}, at_most=1)]
    monkeypatch.setattr(gpu_runner, "CHECKS", {"all": lambda place, before: iter(lines)})
    monkeypatch.setattr(gpu_runner, "prepare", lambda *arguments: CPU)
    monkeypatch.setattr(gpu_runner, "with_origin", lambda line: line)
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--out", str(tmp_path / "lines.jsonl")])
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(SystemExit) as ended:
        gpu_runner.main("")
    signal.signal(signal.SIGALRM, before)
    assert ended.value.code == status
    assert [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()][1:] == lines


def test_the_whole_run_is_the_sum_of_its_stages():
    lines = [measured("Step times", name, "ms/step", {"bfloat16": ms}) for name, ms in
             (("cls.train", 20), ("cls.train_iam", 10), ("seg.train ResNet-101", 60))]  # fmt: skip
    reading = (("cls.train", 100), ("cls.train_iam", 1000), ("seg.train ResNet-101", 1000))
    lines += [
        measured("Reading images", name, "images/s", {"4 processes": n / 2, "8 processes": n}) for name, n in reading
    ]
    prediction = (("cls.infer", 200), ("seg.predict ResNet-101 with CRF", 20))
    lines += [measured("Prediction", name, "images/s", {"500×375": speed}) for name, speed in prediction]
    lines.append(measured("Labels", "BE, POM and NSRM, 2 processes", "ms/image", {"500×375": 6}))
    found = {line["what"]: line["sides"]["both rounds"] for line in gpu_runner.whole_run(CPU, lines)}
    steps = 14 * 2117
    expected = {
        "cls.train": steps * 0.05 / 60,  # the loader is slower than the step
        "cls.train_iam": steps * 0.01 / 60,
        "seg.train ResNet-101": 20_000 * 0.06 / 60,
        "cls.infer": 2 * 10_582 / 200 / 60,
        "seg.predict ResNet-101 with CRF": (10_582 + 2 * 1449) / 20 / 60,
        "labels": 10_582 * 0.006 / 60,
    }
    expected["everything"] = sum(expected.values())
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("count, device", [(0, "cpu"), (1, "cpu"), (2, "cuda")])
def test_two_processes_are_compared_where_both_fit(count, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert scaling.common_device() == device


def test_a_training_is_stopped_and_goes_on(tiny_data, tmp_path):
    out = tmp_path / "out"
    size = ("--channels", 4, 4, 4, 4, 4, "--input-size", 32, "--batch-size", 2, "--epochs", 40, "--save-every", 5)
    command = ["cls.train", "--data", tiny_data, "--split", "train", *size, "--device", "cpu", "--workers", 0]
    command = [*map(str, command), "--out", str(out)]
    result = run(sys.executable, "benchmarks/disturbed.py", *command)
    assert result.returncode == 0, result.stderr
    assert "stopped by SIGKILL" in result.stdout and "2 images" not in result.stdout
    record = json.loads((out / "stage.json").read_text())
    assert record["finished"] and (out / "weights.pth").exists()
    with pytest.raises(RuntimeError, match="expected status 143 after SIGTERM, found 0"):
        disturbed.stop(command, signal.SIGTERM)  # it has nothing to do


def test_what_is_missing_in_a_run_is_told(tmp_path):
    (tmp_path / "cam").mkdir()
    assert finished.fault_of(tmp_path, "cam", []) == "there is no record"
    (tmp_path / "cam/stage.json").write_text('{"finished": null}')
    assert finished.fault_of(tmp_path, "cam", []) == "not finished"
    (tmp_path / "cam/stage.json").write_text('{"finished": "2024-01-01 00:00:00"}')
    files = [Path("cam/a.png"), Path("cam/b.png")]
    assert finished.fault_of(tmp_path, "cam", files) == "cam/a.png and 1 more are missing"
    for path in files:
        (tmp_path / path).touch()
    assert finished.fault_of(tmp_path, "cam", files) is None


def test_an_unknown_part_is_refused(tmp_path):
    result = run("scripts/gpu_check.sh", "everything", OUT=str(tmp_path), PYTHON=sys.executable)
    assert result.returncode == 2 and result.stderr == "everything: expected measure, tests or stages\n"
