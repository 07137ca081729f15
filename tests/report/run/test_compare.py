"""report.run.compare: what differs in two runs' records and scores."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.images import read_indexed, write_indexed
from report.run.compare import differences, main, parser, text_of
from report.run.reading import read_stages
from seg import evaluate

VERSIONS = {"python": "3.11.7", "torch": "2.15.0", "commit": "0123456789abcdef" + "0" * 24}
DATA = {"sha256": "d" * 64, "seen": ""}


def record(run, folder, command="cls.train", inputs=None, **arguments):
    """Write the record of a finished stage, as stages.record does; `inputs` are {argument: (path, content)}."""
    inputs = {"data": ("data/tiny", DATA["sha256"])} | (inputs or {})
    found = {
        "command": command,
        "arguments": arguments | {name: path for name, (path, _) in inputs.items()},
        "inputs": {name: {"sha256": content, "seen": ""} for name, (_, content) in inputs.items()},
        "versions": VERSIONS,
        "call": f"python -m {command} --out runs/{run.name}/{folder}",
        "started": "2026-01-01 10:00:00",
        "finished": "2026-01-01 10:00:09",
        "machine": "M",
    }
    (run / folder).mkdir(parents=True, exist_ok=True)
    (run / folder / "stage.json").write_text(json.dumps(found))


def change(run, folder, **parts):
    """Update parts of a record, {part: {key: value, None to leave it out}}."""
    path = run / folder / "stage.json"
    found = json.loads(path.read_text())
    for part, values in parts.items():
        found[part] |= {name: value for name, value in values.items() if value is not None}
        for name in (name for name, value in values.items() if value is None):
            del found[part][name]
    path.write_text(json.dumps(found))


def score(run, data, folder, *more, split="train"):
    """Score <run>/<folder> as seg.evaluate does, with a record."""
    out = run / "scores" / folder
    out.mkdir(parents=True, exist_ok=True)
    places = ["--data", data, "--split", split, "--pred", run / folder, "--out", out]
    evaluate.run(evaluate.parser().parse_args([*map(str, places), "--workers", "1", *more]))
    record(run, f"scores/{folder}", "seg.evaluate", split=split)
    change(run, f"scores/{folder}", arguments={"data": str(data)})


@pytest.fixture
def runs(tiny_data, tmp_path, capsys):
    """Two runs with a classifier, a CAM, labels and predictions. B's CAM is fainter. The predictions are the truth, but
    that of c_complex in A and that of d_complex in B are all background."""
    found = []
    for name, empty in (("a", "c_complex"), ("b", "d_complex")):
        run = tmp_path / "runs" / name
        for folder in ("pred2", "label_initial", "cam"):
            (run / folder).mkdir(parents=True)
        for path in (tiny_data / "SegmentationClass").iterdir():
            truth = read_indexed(path)
            write_indexed(run / "label_initial" / path.name, truth % 255)
            write_indexed(run / "pred2" / path.name, np.zeros_like(truth) if path.stem == empty else truth % 255)
        for path in (tiny_data / "SegmentationClass").iterdir():
            for value in range(1, 4):
                level = 200 if name == "a" else 130
                grey = np.where(read_indexed(path) == value, level, 20).astype(np.uint8)
                grey[0, 0] = 255
                Image.fromarray(grey).save(run / "cam" / f"{path.stem}_{value - 1}.png")
        record(run, "cls", seed=0, lr=0.1, channels=[8, 16])
        record(run, "cam", "cls.infer", inputs={"weights": (f"runs/{name}/cls/weights.pth", "c" * 64)})
        score(run, tiny_data, "cam", "--map-thresholds", "0.6" if name == "a" else "0.3", "--threshold", "0.9")
        score(run, tiny_data, "label_initial")
        score(run, tiny_data, "pred2")
        found.append(run)
    capsys.readouterr()
    return found


def differing(a, b):
    return differences((a, read_stages(a)), (b, read_stages(b)))


def test_own_folders_and_a_moved_run_are_no_difference(runs, tmp_path, monkeypatch):
    assert differing(*runs) == [] and "The stages of both runs are the same." in text_of(*runs)
    runs[1].rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    assert differing(Path("runs/a"), Path("moved")) == []


def test_arguments_inputs_and_versions_that_differ(runs):
    a, b = runs
    change(b, "cls", arguments={"seed": 3, "channels": [8, 32], "lr": None})
    change(b, "cam", inputs={"weights": {"sha256": "e" * 64}}, versions={"torch": "2.16.0"})
    assert differing(a, b) == [
        ("cam", "--weights", "c" * 12, "e" * 12),
        ("cam", "version of torch", "2.15.0", "2.16.0"),
        ("cls", "--seed", "0", "3"),
        ("cls", "--lr", "0.1", "(not recorded)"),
        ("cls", "--channels", "8 16", "8 32"),
    ]


def test_what_differs_alike_in_several_stages_is_said_once(runs):
    for folder in ("cls", "cam", "scores/cam"):
        change(runs[1], folder, versions={"python": "3.12.1"})
    assert differing(*runs) == [("cam, cls, scores/cam", "version of python", "3.11.7", "3.12.1")]


def test_stages_of_one_run_alone(runs):
    shutil.rmtree(runs[1] / "cam")
    assert "Only A has: cam." in text_of(*runs) and "Only B" not in text_of(*runs)


def test_scores_are_subtracted(runs):
    text = text_of(*runs)
    found = {row.split(" | ")[0]: row.split(" | ")[1:] for row in text.splitlines() if row.startswith("| ")}
    assert found["| initial label (BE)"] == ["train", "100.00", "100.00", "+0.00 |"]
    split, *numbers, difference = (
        found["| prediction, round 2"] if "| prediction, round 2" in found else found["| pred2"]
    )
    one, other = map(float, numbers)
    assert one != other and difference == f"{other - one:+.2f} |".replace("-", "−")
    assert {"| CAM, best threshold", "| CAM, fixed threshold"} <= found.keys()


def test_scores_of_other_images_are_not_subtracted(runs):
    change(runs[1], "scores/label_initial", inputs={"data": {"sha256": "9" * 64}})
    shutil.rmtree(runs[1] / "scores" / "cam")
    rows = {row.split(" | ")[0]: row for row in text_of(*runs).splitlines()}
    assert rows["| initial label (BE)"].endswith("| 100.00 | 100.00 | other images |")
    assert rows["| CAM, best threshold"].endswith("| – | – |")


def test_names_from_elsewhere_break_no_table(runs):
    change(runs[1], "cls", arguments={"init": "a|b\n# c"})
    assert "| cls | --init | (not recorded) | a\\|b # c |" in text_of(*runs)


def test_the_command_prints_it(runs, capsys):
    main(parser().parse_args([*map(str, runs)]))
    assert capsys.readouterr().out.startswith("# A ")
