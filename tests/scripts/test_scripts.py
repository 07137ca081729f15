"""The shell scripts of the whole run, the tables and the figures, on a handful of toy images."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.files.images import read_grey, read_indexed

ROOT = Path(__file__).resolve().parents[2]

venv = os.environ.get("VENV", ".venv")
if venv and not (ROOT / venv / "installed").exists():
    pytest.skip("the scripts need the environment that scripts/test.sh makes", allow_module_level=True)


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """`script("scripts/paper/table3.sh")` runs it; all share one data set and one run, as they are meant to."""
    folder = tmp_path_factory.mktemp("scripts")  # laid out so that OUT of scripts/study/ablation.sh can be it
    paths = {"DATA": folder / "toy0", "RUN": folder / "seed0", "SETTINGS": ROOT / "tests" / "scripts" / "tiny.sh"}
    environment = {**os.environ, **{name: str(path) for name, path in paths.items()}}

    def run(name, *arguments, expected=0, root=ROOT, **more):
        command = [str(root / name), *map(str, arguments)]
        result = subprocess.run(
            command, cwd=folder, env=environment | more, capture_output=True, text=True, timeout=3600
        )
        assert result.returncode == expected, result.stdout + result.stderr[-3000:]
        return result.stdout

    run.folder = folder / "seed0"
    return run


def trainings(output):
    """The seg.train stages that really ran, by folder."""
    return re.findall(r"seg\.train: .* -> \S*/seed0/(\S+) in ", output)


def numbers(output):
    return re.findall(r"\| (?:[\d.]+|–) \|$", output, re.MULTILINE)


def summary_of(output):
    """The lines of the table that scripts/summary.sh prints."""
    return output[output.index("\nimages ") : output.index("\nbest here: ")].splitlines()[1:]


def test_run_all_and_again(script):
    output = script("run_all.sh")
    assert trainings(output) == ["seg1", "seg2"]
    table = summary_of(output)
    assert len(table) == 11 and table[-1].startswith("val    prediction, round 2")
    summary = json.loads((script.folder / "summary.json").read_text())
    assert set(summary) == {"train", "val"} and set(summary["val"]) == {"round1", "round2"}
    assert set(summary["train"]) >= {"cam", "cam_fixed", "oa_cam", "oa_cam_fixed"} and len(summary["train"]) == 8
    assert all(0 <= value <= 100 for part in summary.values() for value in part.values())
    assert "prediction, round 2" in (script.folder / "report" / "index.html").read_text()
    again = script("run_all.sh")
    assert trainings(again) == [] and again.count("nothing to do") >= 13
    assert summary_of(again) == table


def test_table_3_trains_only_what_is_new(script):
    output = script("scripts/paper/table3.sh")
    assert trainings(output) == ["no_glore/seg_initial", "seg_initial", "seg_retrain", "seg_pom_retrain"]
    assert len(numbers(output)) == 6 and "–" not in output
    assert "| + GR + POM + NSRM | 70.4 |" in output
    arch = json.loads((script.folder / "no_glore" / "cls" / "stage.json").read_text())["arguments"]
    assert arch["glore"] is False
    assert trainings(script("scripts/paper/fig4.sh")) == []
    assert (script.folder / "fig4.png").stat().st_size > 1000


def test_table_4(script):
    output = script("scripts/paper/table4.sh")
    assert trainings(output) == ["seg2_all", "seg2_no_expansion", "seg2_no_masking", "seg2_no_dilation"]
    assert len(numbers(output)) == 5 and "–" not in output


def test_tables_1_and_2(script):
    assert trainings(script("scripts/paper/table1.sh")) == []  # here VGG16 is the main run
    output = script("scripts/paper/table2.sh")
    assert trainings(output) == ["seg1_imagenet", "seg2_imagenet", "seg1_coco", "seg2_coco"]
    assert len(re.findall(r"^\| Ours\*? .* \| yes \|$", output, re.MULTILINE)) == 2


def test_figures(script):
    assert trainings(script("scripts/paper/fig6.sh")) == ["seg2_kernel3"]
    assert trainings(script("scripts/paper/fig7.sh")) == ["nodes3/seg1", "nodes3/seg2"]
    for name in ("fig6", "fig7"):
        assert (script.folder / f"{name}.png").stat().st_size > 1000
        assert "Paper, on VOC" in (script.folder / f"{name}.md").read_text()


def test_a_row_of_fbr(script):
    """What it trains has the classifier's name; the whole scripts of FBR: test_fbr.py, without running them."""
    arguments = "--heads none --labels refined --similarity-weight 0 --bank-size 20 --queries 8 --negatives 4"
    output = script("scripts/study/fbr_row.sh", ROW=f"row fbr.train {arguments}")
    assert "-> " in output and "row/label_cam" in output
    scores = [
        script.folder / "row/scores" / name / "scores.json"
        for name in ("cam", "context_cam", "context_cam_refined", "label_cam")
    ]
    assert all(path.exists() for path in scores)
    record = json.loads((script.folder / "row/cls/stage.json").read_text())
    assert record["command"] == "fbr.train" and record["arguments"]["heads"] == "none"


def test_stage_scripts_take_further_arguments(script):
    out = script.folder / "label_masked_wide"
    script("scripts/pseudo_nsrm.sh", "--kernel-size", 50, "--out", out)
    assert json.loads((out / "stage.json").read_text())["arguments"]["kernel_size"] == 50
    script("scripts/pseudo_nsrm.sh", "--kernel-size", 0, "--out", out, expected=2)


def test_controls_and_ablation_share_what_is_there(script):
    output = script("scripts/study/controls.sh")
    assert trainings(output) == ["local_unit/seg_initial", "seg_full"]
    assert len(numbers(output)) == 4 and "| – |\n" not in output
    folder = script.folder.parent
    output = script("scripts/study/ablation.sh", 0, OUT=str(folder), TABLES="controls table4 fig6")
    assert "seed0: table3" in output and "seed0: fig5" in output
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    count = {table: sum(line["table"] == table for line in lines) for table in {line["table"] for line in lines}}
    assert count == {"table3": 6, "controls": 4, "table4": 5, "fig6": 2, "labels": 6}
    assert {line["seed"] for line in lines} == {0} and {line["setting"] for line in lines} == {"ablation"}
    text = (folder / "RESULTS.md").read_text()
    assert "| + GR + POM + NSRM | 70.4 |" in text and "![Figure 6: the kernel of NSRM, in pixels](fig6.png)" in text
    assert (folder / "fig5.png").stat().st_size > 1000


def clone_with_the_rule(clone):
    """A copy of the repository that holds the rule and the script of docs/own_rule.md."""
    for name in (
        "cls",
        "common",
        "data",
        "evaluate",
        "fbr",
        "irn",
        "pseudo",
        "report",
        "scripts",
        "seg",
        "stages",
        "weights",
    ):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__", "*.pth"))
    page = (ROOT / "docs" / "own_rule.md").read_text()
    (rule,), (shell,) = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("python", "bash"))
    (clone / "pseudo" / "salient.py").write_text(rule)
    (clone / "scripts" / "paper" / "salient.sh").write_text(f"#!/usr/bin/env bash\n{shell}")
    (clone / "scripts" / "paper" / "salient.sh").chmod(0o755)


def test_a_rule_of_ones_own(script, tmp_path):
    """The page's rule goes through its script, unchanged, into a table and the summary of a whole run."""
    script("run_all.sh")
    before = json.loads((script.folder / "summary.json").read_text())
    clone_with_the_rule(tmp_path)
    outside = {"VENV": "", "PYTHON": sys.executable}
    output = script("scripts/paper/salient.sh", root=tmp_path, **outside)
    assert trainings(output) == ["seg_salient"]
    assert len(numbers(output)) == 2 and "| salient objects alone | – | " in output
    assert re.search(r"^train  label_salient +[\d.]+ ", output, re.MULTILINE)
    after = json.loads((script.folder / "summary.json").read_text())
    assert list(after["train"]) == [*before["train"], "label_salient"]
    assert after == {
        "train": before["train"] | {"label_salient": after["train"]["label_salient"]},
        "val": before["val"],
    }
    for path in (script.folder / "label_pseudo").glob("*.png"):
        label, saliency = read_indexed(path), read_grey(script.folder.parent / "toy0" / "saliency" / path.name)
        expected = np.where((label > 0) & (saliency < 32), 255, label)
        np.testing.assert_array_equal(read_indexed(script.folder / "label_salient" / path.name), expected)
