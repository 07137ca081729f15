"""report.run.compare: what differs in two runs' records and scores."""

import json
import shutil

import pytest

from report.run.compare import differences, main, parser, text_of
from report.run.reading import read_stages
from tests.report.runs import put, record

VERSIONS = {"python": "3.11.7", "torch": "2.15.0", "commit": "0123456789abcdef" + "0" * 24}
OTHERS = {"ignored": 0.0, "false_negative": 0.0}


def put_stage(run, folder, command, inputs=None, **arguments):
    """Write the record of a finished stage; `inputs` are {argument: (path, content)}."""
    inputs = {"data": ("data/tiny", "d" * 64)} | (inputs or {})
    arguments |= {name: path for name, (path, _) in inputs.items()}
    contents = {name: {"sha256": content} for name, (_, content) in inputs.items()}
    call = f"python -m {command} --out runs/{run.name}/{folder}"
    found = record(command, arguments=arguments, inputs=contents, versions=VERSIONS, call=call)
    put(run / folder / "stage.json", found)


def change(run, folder, **parts):
    """Update parts of a record, {part: {key: value, None to leave it out}}."""
    path = run / folder / "stage.json"
    found = json.loads(path.read_text())
    for part, values in parts.items():
        found[part] = {name: value for name, value in (found[part] | values).items() if value is not None}
    put(path, found)


@pytest.fixture
def runs(tmp_path):
    """Two runs with a classifier, CAMs, and scores of CAMs and labels."""
    found = [tmp_path / "runs/a", tmp_path / "runs/b"]
    for run, best in zip(found, (40.0, 37.5)):
        put_stage(run, "cls", "cls.train", seed=0, lr=0.1, channels=[8, 16])
        put_stage(run, "cam", "cls.infer", inputs={"weights": (f"runs/{run.name}/cls/weights.pth", "c" * 64)})
        fixed = {"mean_iou": 30.0, "threshold": 0.3} | OTHERS
        cam = {"mean_iou": best, "threshold": 0.6, "chosen": "best on this ground truth", "fixed": fixed}
        for name, scores in (("cam", cam | OTHERS), ("label_initial", {"mean_iou": 70.0} | OTHERS)):
            put_stage(run, f"scores/{name}", "evaluate.labels", split="train")
            put(run / "scores" / name / "scores.json", scores)
            (run / "scores" / name / "images.jsonl").touch()
    return found


def differing(a, b):
    return differences(read_stages(a), read_stages(b))


def test_a_run_elsewhere_is_no_difference(runs):
    assert differing(*runs) == []


def test_arguments_inputs_and_versions_that_differ(runs):
    a, b = runs
    change(b, "cls", arguments={"seed": 3, "channels": [8, 32], "lr": None}, versions={"python": "3.12.1"})
    change(b, "cam", inputs={"weights": {"sha256": "e" * 64}}, versions={"python": "3.12.1"})
    assert differing(a, b) == [
        ["cam", "--weights", "c" * 12, "e" * 12],
        ["cam, cls", "version of python", "3.11.7", "3.12.1"],
        ["cls", "--seed", "0", "3"],
        ["cls", "--lr", "0.1", "(not recorded)"],
        ["cls", "--channels", "8 16", "8 32"],
    ]


def test_scores_are_subtracted_if_they_are_of_the_same_images(runs, capsys):
    change(runs[1], "scores/label_initial", inputs={"data": {"sha256": "9" * 64}})
    change(runs[1], "cls", arguments={"init": "a|b\n# c"})
    shutil.rmtree(runs[1] / "cam")
    main(parser().parse_args([*map(str, runs)]))
    text = capsys.readouterr().out
    assert "| CAM, best threshold | mIoU on train, % | 40.00 | 37.50 | −2.50 |" in text
    assert "| CAM, fixed threshold | mIoU on train, % | 30.00 | 30.00 | +0.00 |" in text
    assert "| initial label (BE) | mIoU on train, % | 70.00 | 70.00 | other images |" in text
    assert "| cam | stage | yes | no |" in text and "| cls | --init | (not recorded) | a\\|b # c |" in text


def test_a_folder_without_scores_has_no_difference(runs):
    shutil.rmtree(runs[1] / "scores/cam")
    assert "| CAM, best threshold | mIoU on train, % | 40.00 | – | – |" in text_of(*runs)
