"""Without saliency, from images to final scores and to instances: the scripts' calls, and all of them for real.

The scripts run with a recorder in the place of python; then the recorded calls run in this process, which has PyTorch
already.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from common.files.images import read_indexed, write_indexed
from tests.wiring.scripts import ROOT, calls_of, parsed

SETTINGS = """
source tests/scripts/tiny.sh
IRN_SEED=(--crf-iterations 1 --workers 1)
IRN=(--backbone vgg16 "${TRUNK[@]}" --epochs 1 --batch-size 4 --crop-size 48 --radius 3 --branch-width 4 "${HERE[@]}")
IRN_WALK=(--radius 2 --exponent 2 "${HERE[@]}")
IRN_INSTANCES=("${IRN_WALK[@]}")
SEG_IMAGE_LEVEL=("${SEG_VGG16[@]}")
PREDICT=(--crf-iterations 1 "${HERE[@]}")
prepare() {
    :
}
"""
IRN = ["cls.infer", "irn.seed", "irn.train", "irn.walk"]
SEGMENT = ["seg.train", "seg.predict", "evaluate.labels"]
CLASSIFIERS = [("", "cls.train"), ("fbr/", "fbr.train")]  # folder in the run, command
OF_SALIENCY = {"pseudo.background", "pseudo.pom", "cls.train_iam"}


@pytest.fixture
def place(tiny_data, tmp_path):
    """The test's folder, with settings and a data set without saliency that has InstanceMasks."""
    (tmp_path / "settings.sh").write_text(SETTINGS)
    shutil.rmtree(tiny_data / "saliency")
    (tiny_data / "InstanceMasks").mkdir()
    for path in (tiny_data / "SegmentationClass").iterdir():  # each class of an image is one object
        write_indexed(tiny_data / "InstanceMasks" / path.name, read_indexed(path))
    return tmp_path


def variables(place, run="run"):
    return {"DATA": place / "tiny", "RUN": place / run, "SETTINGS": place / "settings.sh"}


def recorded(place, script, run="recorded"):
    return calls_of(place, f"paper/{script}", **variables(place, run))


def outs(calls, run):
    """[(module, what it writes in the run)] of the stages, without those of summary.sh."""
    found = [(module, parsed(module, words)["out"]) for module, words in calls if not module.startswith("report.")]
    return [(module, str(out.relative_to(run))) for module, out in found]


def reads_saliency(module, words):
    told = parsed(module, words)
    labels, mask = told.get("labels") == "saliency", told.get("saliency_mask", False)
    return module in OF_SALIENCY or labels or mask


def test_calls_of_the_image_level_script(place):
    calls = recorded(place, "fbr_image_level")
    found = [each for each in outs(calls, place / "recorded")]
    for folder, classifier in CLASSIFIERS:
        below = f"{folder}image_level"
        expected = [
            (classifier, f"{folder}cls"),
            *zip(IRN, [f"{below}/{name}" for name in ("cam_pyramid", "label_seed", "irn", "label_irn")]),
            *zip(SEGMENT, [f"{below}/{name}" for name in ("seg1", "pred1_val", "scores/pred1_val")]),
            ("seg.predict", f"{below}/pred1"),
            ("pseudo.nsrm", f"{below}/label_masked"),
            *zip(SEGMENT, [f"{below}/{name}" for name in ("seg2", "pred2_val", "scores/pred2_val")]),
        ]
        assert found[: len(expected)] == expected
        scored = found[len(expected) :]
        scored = scored[: next((i for i, (module, _) in enumerate(scored) if module != "evaluate.labels"), None)]
        assert ("evaluate.labels", f"{below}/scores/label_irn") in scored
        found = found[len(expected) + len(scored) :]
    assert not found
    assert not [module for module, words in calls if module[:6] != "report" and reads_saliency(module, words)]
    table, words = calls[-1]
    assert table == "report.tables.table"
    rows = {folder: paper for _, paper, folder in parsed(table, words)["row"]}
    assert rows["fbr/image_level/label_irn"] == "73.1" and rows["fbr/image_level/pred2_val"] == "71.8"


def test_calls_of_the_instances_script(place):
    calls = recorded(place, "instances")
    evaluated = [("irn.instances", "instances"), ("evaluate.instances", "scores/instances")]
    evaluated += [("evaluate.instances", "scores/instances_void")]
    expected = []
    for folder, classifier in CLASSIFIERS:
        names = ("cam_pyramid", "label_seed", "irn", "label_irn")
        stages = [*zip(IRN, names), *evaluated]
        expected += [(classifier, f"{folder}cls"), *((each, f"{folder}image_level/{name}") for each, name in stages)]
    truth = [("irn.label_maps", "cam_pyramid"), ("irn.train", "irn"), *evaluated]
    expected += [(module, f"truth/image_level/{name}") for module, name in truth]
    assert outs(calls, place / "recorded") == expected
    assert not [module for module, words in calls if module[:6] != "report" and reads_saliency(module, words)]
    bound = parsed(*calls[-5])
    assert bound["seeds"] == place / "tiny/SegmentationClass" == parsed(*calls[-6])["labels"]
    assert [parsed(*each)["void"] for each in calls[-3:-1]] == ["ignore", "background"]
    told = dict(parsed(*calls[-1])["row"])
    folders = [f"{name}image_level/instances" for name in ("", "fbr/", "truth/")]
    assert [*told.values()] == folders + [f"{folder}_void" for folder in folders]


@pytest.mark.parametrize("damage", ["folder", "image"])
def test_a_data_set_without_objects_is_refused_at_once(place, damage):
    path = place / "tiny/InstanceMasks"
    shutil.rmtree(path) if damage == "folder" else (path / "c_complex.png").unlink()
    environment = os.environ | {key: str(value) for key, value in variables(place).items()}
    environment |= {"VENV": "", "PYTHON": "false"}  # nothing may run
    command = ["bash", "scripts/paper/instances.sh"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    lost = "a_simple" if damage == "folder" else "c_complex"
    assert result.returncode == 2 and f"InstanceMasks/{lost}.png: no such file" in result.stderr
    assert "no such file (docs/data.md)" in result.stderr and not (place / "run").exists()


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_from_images_to_final_scores_and_instances(place, replay, capsys):
    replay(recorded(place, "fbr_image_level"), place)
    run = place / "run"
    rows = (run / "fbr_image_level.md").read_text().splitlines()[4:]
    own, others = rows[:4], rows[4:8]
    assert all(row.endswith(" – |") for row in others) and not any(row.endswith(" – |") for row in own)
    for folder, _ in CLASSIFIERS:
        below = run / folder / "image_level"
        for name in ("label_irn", "pred2_val"):
            score = json.loads((below / "scores" / name / "scores.json").read_text())["mean_iou"]
            assert any(row.endswith(f" {score:.1f} |") for row in own)
        summary = json.loads((below / "summary.json").read_text())
        assert set(summary["val"]) == {"round1", "round2"} and {"label_seed", "label_irn"} <= set(summary["train"])

    capsys.readouterr()
    replay(recorded(place, "instances"), place)
    assert capsys.readouterr().out.count("nothing to do") == 10  # both classifiers and their IRNs
    rows = (run / "instances.md").read_text().splitlines()[4:]
    assert len(rows[:-2]) == 6 and not any("–" in row for row in rows)
    for name, row in (("instances", rows[2]), ("instances_void", rows[5])):
        score = json.loads((run / f"truth/image_level/scores/{name}/scores.json").read_text())
        assert score["objects"] == 7 and f"| {score['mean_ap']['0.5']:.1f} |" in row
    for name in ("a_simple_0", "d_complex_2"):
        assert Path(run / f"truth/image_level/cam_pyramid/{name}.png").exists()
