"""What scripts/gpu_check.sh runs, on a CPU and tiny: what is found is told and kept, whatever fails or ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import fbr_cost  # noqa: E402
import gpu_check  # noqa: E402
import page  # noqa: E402
import scaling  # noqa: E402
import trainings  # noqa: E402
from draw import cut_photographs, draw_data  # noqa: E402
from gpu_checks import MAIN, SECOND, Check, Place, steps, waits, whole_run  # noqa: E402
from measurement import measured  # noqa: E402

from common.crf.lattice import elevate, enclosing_simplex, vertex_keys  # noqa: E402
from common.files.images import read_rgb  # noqa: E402

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
        *("cls.train_iam, bfloat16", "seg.train VGG16, bfloat16", "seg.train ResNet-101, bfloat16, compiled"),
    }
    (compiled,) = (line for line in lines if line["what"].endswith("compiled"))
    assert compiled["note"] == "1 graphs"
    counts = {"Profile": 3 * 5, "Dense CRF": 4, "Prediction": 2, "Reading images": 5, "Random walk": 2}
    for section, count in counts.items():
        assert sum(line["section"] == section for line in lines) == count, section
    assert lines[-1]["note"] == "without starting, the label stages, evaluation"
    text = page.report([], [], lines)
    assert text.count("\n### ") == len({line["section"] for line in lines})
    assert text.count("both rounds with ResNet-101 and CRF") == 1  # the last line of it


def test_two_processes_and_determinism_on_a_cpu(tmp_path):
    """One training for each; by hand, THIN=1 benchmarks/gpu_check.py --only processes determinism takes minutes."""
    import gpu_checks

    place = gpu_checks.prepare(tmp_path, True)
    for check in (SECOND[1], SECOND[-1]):
        (line,) = check.function(place, *check.arguments)
        assert line["met"], line


def test_lines_of_a_gpu(monkeypatch):
    """What is shown on CUDA alone, with trainings that run nowhere."""
    place = Place(Path("nowhere"), torch.device("cuda:0"), False)
    found = {"waiting": ["a.py:3", "a.py:3"], "timed": (12.5, 3.25)}
    monkeypatch.setattr(trainings, "run", lambda command, device, measure: found[measure.func.__name__])
    (line,) = waits(place, "cls.train")
    assert gpu_check.text(line) == (
        "FAILED  Calls that wait for the GPU: cls.train: calls 2 in 25 steps: ≤ 0 in 25 steps: a.py:3"
    )
    time_of_step, memory = steps(place, "cls.train")
    assert time_of_step["what"] == memory["what"] == "cls.train, bfloat16"
    assert [line["sides"] for line in (time_of_step, memory)] == [{"cuda": 12.5}, {"GPU": 3.25}]


def test_a_gpu_is_measured_when_it_is_done(monkeypatch):
    """Its time and memory, without the steps before: these are slower, and try algorithms that take more memory."""
    happened = []
    for name, value in (("synchronize", None), ("reset_peak_memory_stats", None), ("max_memory_allocated", 2**31)):
        monkeypatch.setattr(torch.cuda, name, lambda device, name=name, value=value: happened.append(name) or value)
    run = SimpleNamespace(
        device=torch.device("cuda:0"), args=SimpleNamespace(batch_size=5), epoch_length=8, done=0, state={}
    )
    found = trainings.timed(run, ["batch"] * 8, warm=2, steps=3)
    with pytest.raises(StopIteration) as ended:
        while True:
            happened.append(next(found))
    measured_part = ["synchronize", "reset_peak_memory_stats", *["batch"] * 3, "synchronize", "max_memory_allocated"]
    assert happened == ["batch", "batch", *measured_part]
    assert ended.value.value[1] == 2 and run.done == 8


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
    assert list(dict.fromkeys(kept)) == shown and len(shown) < 1 + 4 + 12 + 1
    assert not files_of(tmp_path / "t")


class Told(list):
    """Collects lines, as gpu_check.check does."""

    def __call__(self, line, show=True):
        self.append(line)


def run(*checks, seconds=1000, extrapolate=lambda lines: None):
    """The lines of checks (function, seconds that it needs)."""
    told = Told()
    checks = [Check("check", function, (), needs) for function, needs in checks]
    gpu_check.run_checks(checks, "place", time.monotonic() + seconds, told, extrapolate)
    return told


def one_line(place):
    yield measured("A", "it", "ms", {"one": 2.0})


def raising(place):
    yield from one_line(place)
    raise ValueError("a reason")


def test_after_a_check_that_raises_the_others_run(capsys):
    first, failed, other = run((raising, 0), (one_line, 0))
    assert first == other and failed["met"] is False
    assert gpu_check.text(failed) == "FAILED  Not done: raising: ValueError: a reason"
    assert "a reason" in capsys.readouterr().err  # the traceback


def test_what_no_longer_fits_is_left_out_and_said_to_be():
    line, left_out = run((raising, 2000), (one_line, 500), (one_line, 3000))
    assert line["section"] == "A" and left_out["section"] == "Left out" and "met" not in left_out
    assert left_out["note"] == "raising, one_line"


def test_the_alarm_ends_a_check_and_what_comes_after():
    def slow(place):
        yield from one_line(place)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 30)
        time.sleep(60)

    before = signal.signal(signal.SIGALRM, gpu_check.end)
    try:
        line, left_out = run((slow, 0))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert line["section"] == "A" and left_out["note"] == "slow (not finished)"
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_the_extrapolation_comes_after_every_check():
    def count(lines):
        return measured("Whole", "run", "lines", {"together": len(lines)}) if lines else None

    told = run((lambda place: iter(()), 0), (one_line, 0), (raising, 0), extrapolate=count)
    assert [line["section"] for line in told] == ["A", "Whole", "A", "Not done", "Whole"]
    assert told[-1]["sides"] == {"together": 3}


@pytest.mark.parametrize("limit, status", [(2, 0), (1, 1)])
def test_the_exit_status(limit, status, monkeypatch, tmp_path):
    import gpu_checks

    line = measured("A", "a number", "", {"it": 2}, at_most=limit)
    monkeypatch.setattr(gpu_checks, "FIRST", [Check("one", lambda place: iter([line]), (), 0)])
    monkeypatch.setattr(gpu_checks, "prepare", lambda *arguments: None)
    monkeypatch.setattr(gpu_checks, "machine", lambda place: measured("Machine", "it", "", {}))
    monkeypatch.setattr(gpu_check, "with_origin", lambda line: line)
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--out", str(tmp_path / "folder/lines.jsonl")])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGTERM)}
    with pytest.raises(SystemExit) as ended:
        gpu_check.main()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert ended.value.code == status
    assert lines_of(tmp_path / "folder/lines.jsonl")[1] == line


def test_the_whole_run_is_the_sum_of_its_stages():
    lines = [measured("Step times", f"{name}, bfloat16", "ms/step", {"cuda": ms}) for name, ms in
             (("cls.train", 20), ("cls.train_iam", 10), ("seg.train ResNet-101", 60))]  # fmt: skip
    reading = (("cls.train", 100), ("cls.train_iam", 1000), ("seg.train ResNet-101", 1000))
    lines += [
        measured("Reading images", name, "images/s", {"4 processes": n / 2, "8 processes": n}) for name, n in reading
    ]
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


def test_the_whole_run_names_what_has_not_been_measured():
    assert whole_run([]) is None
    whole = whole_run([measured("Step times", "seg.train ResNet-101, bfloat16", "ms/step", {"cuda": 60})])
    assert whole["sides"] == {"seg.train ResNet-101": 20, "together": 20}
    lacking = ("cls.train", "cls.train_iam", "seg.train ResNet-101's reading of images", "cls.infer", "with CRF")
    assert all(name in whole["note"] for name in lacking)


def test_photographs_have_even_areas(tmp_path):
    """Vertices of the bilateral lattice with thousands of entries, as on VOC's photographs; drawn images have tens."""
    draw_data(tmp_path, 1)
    cut_photographs(tmp_path, 4)
    photos = [read_rgb(path) for path in sorted((tmp_path / "data/JPEGImages").glob("photo*.jpg"))]
    assert [photo.shape[:2] for photo in photos] == [(375, 500), (337, 500), (375, 500), (500, 375)]
    assert (tmp_path / "data/lists/photographs.txt").read_text().splitlines()[3] == "photograph0003 0"
    rows, columns = np.indices(photos[0].shape[:2])
    features = torch.from_numpy(
        np.stack([columns / 67, rows / 67, *np.moveaxis(photos[0] / 3, 2, 0)]).reshape(5, -1).astype(np.float32)
    )
    keys, _ = vertex_keys(*enclosing_simplex(elevate(features)))
    assert keys.unique(return_counts=True)[1].max() > 1500


def test_what_fbr_costs(tmp_path):
    """A step in which a part of FBR had nothing to do would be no measurement, and would raise an error."""
    draw_data(tmp_path, 12, (96, 128))
    lines = list(fbr_cost.cost(tmp_path, torch.device("cpu"), 1, 1, thin=True))
    sides = {line["what"]: line["sides"] for line in lines}
    for name in fbr_cost.VARIANTS:
        plain, own = sides[name].values()
        assert sides[f"{name}, a step"] == {"fbr.train": pytest.approx(own / plain, rel=0.01)}
        assert all(memory > 0 for memory in sides[f"{name}, peak memory"].values())


@pytest.mark.parametrize("count, device", [(0, "cpu"), (1, "cpu"), (2, "cuda")])
def test_two_processes_are_compared_where_both_fit(count, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert scaling.common_device() == device


def test_an_unknown_part_is_refused(tmp_path):
    command = [*SCRIPT, "everything"]
    result = subprocess.run(command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr == "everything: expected measure or tests\n"
    assert not (tmp_path / "out").exists()
