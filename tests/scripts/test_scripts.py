"""The shell scripts for real, on a handful of images: a whole run, a table, a study, a rule of one's own, IRN, COCO.

The first runs as it is; of the others the calls are recorded and then run in this process, which has PyTorch already.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import pseudo
from common.files.images import read_grey, read_indexed, write_indexed
from tests.wiring.scripts import ROOT, calls_of

TINY = ROOT / "tests/scripts/tiny.sh"
pytestmark = pytest.mark.filterwarnings("ignore:.*__array__")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a whole run, <folder>/seed0; data in <folder>/toy0, as scripts/study/ablation.sh has them."""
    folder = tmp_path_factory.mktemp("scripts")
    environment = os.environ | {"DATA": str(folder / "toy0"), "RUN": str(folder / "seed0"), "SETTINGS": str(TINY)}
    environment |= {"VENV": "", "PYTHON": sys.executable}
    result = subprocess.run(ROOT / "run_all.sh", env=environment, capture_output=True, text=True, timeout=3600)
    assert result.returncode == 0, result.stdout + result.stderr[-3000:]
    return folder / "seed0"


def read(path):
    return json.loads(path.read_text())


def test_run_all(run):
    summary = read(run / "summary.json")
    assert set(summary["val"]) == {"round1", "round2"} and len(summary["train"]) == 8
    assert all(0 <= value <= 100 for part in summary.values() for value in part.values())
    assert "prediction, round 2" in (run / "report/index.html").read_text()


def test_table_3(run, replay, capsys):
    """It trains only what is new, and has a number in each row."""
    replay(calls_of(run.parent, "table3", DATA=run.parent / "toy0", RUN=run, SETTINGS=TINY))
    output = capsys.readouterr().out
    assert output.count("nothing to do") >= 13
    trained = re.findall(r"seg\.train: .* -> \S*/seed0/(\S+) in ", output)
    assert trained == ["no_glore/seg_initial", "seg_initial", "seg_retrain", "seg_pom_retrain"]
    assert len(re.findall(r"\| [\d.]+ \| [\d.]+ \|$", output, re.MULTILINE)) == 6


def test_a_study(run, replay):
    """Of seed 0, whose run is there: Table 3 and Figure 6 with the others' results, lines, page and pictures."""
    out = run.parent
    (run / "fig5.png").touch()  # the script copies it
    replay(calls_of(out, "ablation", 0, OUT=out, TABLES="fig6", SETTINGS=TINY, JOBS=1))
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {line["table"] for line in lines} == {"table3", "fig6", "labels"}
    assert {(line["seed"], line["setting"]) for line in lines} == {(0, "ablation")}
    assert "| + GR + POM + NSRM | 70.4 |" in (out / "RESULTS.md").read_text()
    assert (out / "fig6.png").stat().st_size > 1000 and (run / "fig5.png").stat().st_size > 1000


def test_a_rule_of_ones_own(run, tmp_path, replay, monkeypatch):
    """The rule and the script of docs/own_rule.md, unchanged, lead from a whole run to a table."""
    page = (ROOT / "docs/own_rule.md").read_text()
    (rule,), (shell,) = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("python", "bash"))
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "scripts/paper/salient.sh").write_text(f"#!/usr/bin/env bash\n{shell}")
    (tmp_path / "pseudo").mkdir()
    (tmp_path / "pseudo/salient.py").write_text(rule)
    monkeypatch.setattr(pseudo, "__path__", [*pseudo.__path__, str(tmp_path / "pseudo")])
    data = run.parent / "toy0"
    replay(calls_of(tmp_path, "salient", root=tmp_path, DATA=data, RUN=run, SETTINGS=TINY))
    assert re.search(r"\| salient objects alone \| – \| [\d.]+ \|", (run / "salient.md").read_text())
    for path in (run / "label_pseudo").glob("*.png"):
        label, saliency = read_indexed(path), read_grey(data / "saliency" / path.name)
        expected = np.where((label > 0) & (saliency < 32), 255, label)
        np.testing.assert_array_equal(read_indexed(run / "label_salient" / path.name), expected)


IMAGE_LEVEL = """
source {settings}
seed=("${{IRN_SEED[@]}}") amn_seed=("${{AMN_SEED[@]}}") walk=("${{IRN_WALK[@]}}") predict=("${{PREDICT[@]}}")
source {tiny}
IRN_SEED=("${{seed[@]}}" --crf-iterations 1 --workers 1)
IRN=(--backbone vgg16 "${{SIZES[@]}}" "${{HERE[@]}}" --epochs 1 --batch-size 4 --crop-size 48 --radius 3
    --branch-width 4)
IRN_WALK=("${{walk[@]}}" --radius 2 --exponent 2 "${{HERE[@]}}")
IRN_INSTANCES=("${{IRN_WALK[@]}}")
RESNET50=(--backbone resnet50 --blocks 1 1 1 1 --width 4 --epochs 1 --batch-size 4 --crop-size 48 "${{HERE[@]}}")
IRN_CLS=("${{RESNET50[@]}}" --long-side 40 64 --schedule poly)
AMN=("${{RESNET50[@]}}" --rates 1)
AMN_SEED=("${{amn_seed[@]}}" --crf-iterations 1 --workers 1)
AMN_INFER=("${{HERE[@]}}")
FBR_AMN=("${{FBR_SIZES[@]}}")
SEG_IMAGE_LEVEL=("${{SEG_VGG16[@]}}")
PREDICT=("${{predict[@]}}" --crf-iterations 1 "${{HERE[@]}}")
prepare() {{ # no weights
    :
}}
"""


def image_level_settings(folder, name):
    """Settings that are tiny, but for the thresholds of scripts/settings/<name>.sh."""
    path = folder / "settings.sh"
    path.write_text(IMAGE_LEVEL.format(settings=ROOT / f"scripts/settings/{name}.sh", tiny=TINY))
    return path


@pytest.fixture
def without_saliency(tiny_data, tmp_path):
    """Variables of a run on the tiny data with instances and without saliency, with tiny settings for VOC."""
    shutil.rmtree(tiny_data / "saliency")
    (tiny_data / "InstanceMasks").mkdir()
    for path in (tiny_data / "SegmentationClass").iterdir():  # each class of an image is one object
        write_indexed(tiny_data / "InstanceMasks" / path.name, read_indexed(path))
    settings = image_level_settings(tmp_path, "voc12")
    return {"DATA": tiny_data, "RUN": tmp_path / "run", "SETTINGS": settings, "TRAIN": "train"}


def test_from_images_to_final_scores_and_instances(without_saliency, tmp_path, replay, capsys):
    """With the plain classifier and FBR's; the second script takes the classifiers of the first."""
    replay(calls_of(tmp_path, "fbr_image_level", **without_saliency))
    run = tmp_path / "run"
    rows = (run / "fbr_image_level.md").read_text().splitlines()[4:12]
    assert [row.endswith(" – |") for row in rows] == 4 * [False] + 4 * [True]
    for folder in (run / "image_level", run / "fbr/image_level"):
        for name in ("label_irn", "pred2_val"):
            score = read(folder / "scores" / name / "scores.json")["mean_iou"]
            assert any(row.endswith(f" {score:.1f} |") for row in rows[:4])
        summary = read(folder / "summary.json")
        assert set(summary["val"]) == {"round1", "round2"} and {"label_seed", "label_irn"} <= set(summary["train"])

    capsys.readouterr()
    replay(calls_of(tmp_path, "instances", **without_saliency))
    assert capsys.readouterr().out.count("nothing to do") == 10  # both classifiers and their IRNs
    rows = (run / "instances.md").read_text().splitlines()[4:10]
    assert not any("–" in row for row in rows)
    for name, row in (("instances", rows[2]), ("instances_void", rows[5])):
        score = read(run / f"truth/image_level/scores/{name}/scores.json")
        assert score["objects"] == 7 and f"| {score['mean_ap']['0.5']:.1f} |" in row


def test_fbr_on_amn_from_images_to_final_scores_and_instances(without_saliency, tmp_path, replay):
    """irn's classifier and AMN on a thin ResNet, IRN and DeepLab-v2 on a thin VGG16: a number in each row."""
    replay(calls_of(tmp_path, "fbr_amn", **without_saliency))
    run = tmp_path / "run"
    rows = [row.split(" | ") for row in (run / "fbr_amn.md").read_text().splitlines()[4:11]]
    assert [row[1] for row in rows] == ["–"] * 3 + ["72.2", "73.1", "70.7", "71.8"]
    assert "–" not in "".join(row[2] for row in rows)
    for row, folder in zip(rows[3:5], ("plain", "fbr"), strict=True):
        score = read(run / f"amn/{folder}/image_level/scores/label_irn/scores.json")["mean_iou"]
        assert row[2] == f"{score:.1f} |"
        summary = read(run / f"amn/{folder}/image_level/summary.json")
        assert {"amn_cam", "label_seed", "label_irn"} <= set(summary["train"])
    plain, fbr = ((run / f"amn/{name}/image_level/amn/weights.pth").read_bytes() for name in ("plain", "fbr"))
    assert plain != fbr
    assert "–" not in "".join((run / "fbr_amn_instances.md").read_text().splitlines()[4:8])
