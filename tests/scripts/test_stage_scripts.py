"""Each stage's script: started alone, its numbers are the command's defaults; and what the summary scores."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wiring.scripts import calls_of

ROOT = Path(__file__).resolve().parents[2]
STAGES = {  # script: command
    "cls_train": "cls.train",
    "fbr_train": "fbr.train",
    "cls_train_iam": "cls.train_iam",
    "cls_infer": "cls.infer",
    "fbr_refine": "fbr.refine",
    "irn_cam": "cls.infer",
    "irn_seed": "irn.seed",
    "irn_train": "irn.train",
    "irn_walk": "irn.walk",
    "irn_instances": "irn.instances",
    "pseudo_background": "pseudo.background",
    "pseudo_pom": "pseudo.pom",
    "pseudo_nsrm": "pseudo.nsrm",
    "seg_train": "seg.train",
    "seg_predict": "seg.predict",
}


def arguments_of(script):
    """The arguments that the script gives to its command, the last call's."""
    shown = ["bash", f"scripts/{script}.sh"]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"VENV": "", "PYTHON": sys.executable, "LAUNCH": "echo", "LAUNCH_LABELS": "echo"}
    result = subprocess.run(shown, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    command, *arguments = result.stdout.splitlines()[-1].split()
    assert command == STAGES[script]
    return arguments


@pytest.mark.parametrize("script", STAGES)
def test_numbers_are_the_defaults(script):
    parser = importlib.import_module(STAGES[script]).parser()
    found = vars(parser.parse_args(arguments_of(script)))
    required = {action.dest for action in parser._actions if action.required} | {"data", "split"}
    others = {"seg_predict": {"crf": True}}  # the paper's, but slow
    others["irn_cam"] = {"scales": [1, 0.5, 1.5, 2], "flip": True}  # IRN's; NSROM has none
    assert {name: value for name, value in found.items() if name not in required} == {
        name: parser.get_default(name) for name in found if name not in required
    } | others.get(script, {})


@pytest.mark.parametrize(
    "folders",
    [
        ["cam", "oa_cam", "label_initial", "label_pseudo", "pred1", "label_masked", "pred1_val", "pred2_val"],
        ["cam", "label_seed", "label_irn", "pred1", "label_masked", "pred2_val"],  # without saliency
    ],
)
def test_summary_scores_the_folders_that_are_there(folders, tmp_path):
    for name in (*folders, "cls", "seg1", "label_masked_all"):
        (tmp_path / "run" / name).mkdir(parents=True)
    *calls, last = calls_of(tmp_path, "summary", DATA=tmp_path / "toy", RUN=tmp_path / "run")
    scored = [arguments for module, arguments in calls if module == "evaluate.labels"]
    assert [Path(each[each.index("--pred") + 1]).name for each in scored] == folders
    splits = {Path(each[each.index("--pred") + 1]).name: each[each.index("--split") + 1] for each in scored}
    assert all(split == ("val" if name.endswith("_val") else "train") for name, split in splits.items())
    assert last == ("report.tables.summary", ["--run", str(tmp_path / "run"), "--val", "val"])


def test_what_has_no_ground_truth_is_not_scored(tmp_path):
    data, run = tmp_path / "mine", tmp_path / "run"
    for folder in (data / "lists", run / "cam", run / "pred2_val"):
        folder.mkdir(parents=True)
    for name, lines in (("classes", "dog"), ("lists/train", "a 0\nb 0\n"), ("lists/val", "c 0\nd 0")):
        (data / f"{name}.txt").write_text(lines)

    def scored():
        calls = calls_of(tmp_path, "summary", DATA=data, RUN=run)
        names = [Path(each[each.index("--pred") + 1]).name for module, each in calls if module == "evaluate.labels"]
        return names, any(module == "report.tables.summary" for module, _ in calls)

    assert scored() == ([], False)
    (data / "SegmentationClass").mkdir()
    (data / "SegmentationClass/d.png").touch()
    assert scored() == (["pred2_val"], True)
    (data / "SegmentationClass/a.png").touch()  # and b has none: evaluate.labels says so
    assert scored() == (["cam", "pred2_val"], True)
