"""MS COCO 2014, made small: from its own files by `./run_all.sh coco14` to final scores and reports; its tables.

The scripts run with a recorder in the place of python; then the recorded calls run in this process.
"""

import json
import shutil

import pytest

from report.tables import table
from tests.data.made_coco import write_coco
from tests.wiring.scripts import ROOT, calls_of

SETTINGS = """
source scripts/settings/coco14.sh # lists and thresholds
seed=("${IRN_SEED[@]}") walk=("${IRN_WALK[@]}") predict=("${PREDICT[@]}")
source TINY
IRN_SEED=("${seed[@]}" --crf-iterations 1 --workers 1)
IRN=(--backbone vgg16 "${TRUNK[@]}" --epochs 1 --batch-size 4 --crop-size 48 --radius 3 --branch-width 4 "${HERE[@]}")
IRN_WALK=("${walk[@]}" --radius 2 --exponent 2 "${HERE[@]}")
SEG_IMAGE_LEVEL=("${SEG_VGG16[@]}")
PREDICT=("${predict[@]}" --crf-iterations 1 "${HERE[@]}")
prepare() { # no weights
    :
}
"""


@pytest.fixture
def clone(tmp_path):
    """A folder with the scripts, and with COCO's files in `coco`; `./run_all.sh coco14` takes data/coco14 there."""
    shutil.copytree(ROOT / "scripts", tmp_path / "clone" / "scripts")
    shutil.copy(ROOT / "run_all.sh", tmp_path / "clone")
    (tmp_path / "settings.sh").write_text(SETTINGS.replace("TINY", str(ROOT / "tests" / "scripts" / "tiny.sh")))
    write_coco(tmp_path / "coco")
    return tmp_path / "clone"


@pytest.mark.parametrize("saliency", [False, True], ids=["image_level", "saliency"])
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_from_cocos_files_to_final_scores(saliency, clone, tmp_path, replay):
    """Without saliency maps in RUN/image_level, by IRN; both reports are there, and one leads to the other."""
    coco = tmp_path / "coco"
    words = ["--images", coco / "images", "--annotations", coco / "annotations", "--out", "data/coco14"]
    words += ["--saliency", coco / "saliency"] if saliency else []
    replay([("data.prepare_coco14", list(map(str, words)))], tmp_path, clone)
    variables = {"RUN": tmp_path / "recorded", "SETTINGS": tmp_path / "settings.sh", "root": clone}
    replay(calls_of(tmp_path, "run_all", "coco14", **variables), tmp_path, clone)

    run = tmp_path / "run"
    of = run if saliency else run / "image_level"
    scores = json.loads((of / "scores/pred2_val/scores.json").read_text())
    assert scores["images"] == 3 and scores["split"] == "val" and 0 <= scores["mean_iou"] <= 100
    assert list(scores["class_iou"])[:2] == ["background", "person"] and len(scores["class_iou"]) == 81
    labels = {"label_initial", "label_pseudo"} if saliency else {"label_seed", "label_irn"}
    summary = json.loads((of / "summary.json").read_text())
    assert set(summary["val"]) == {"round1", "round2"} and labels <= set(summary["train"])
    told = json.loads((of / "pred2_val/stage.json").read_text())["arguments"]
    assert (told["data"], told["crf_min_probability"]) == ("data/coco14", 0.05)
    assert "prediction, round 2" in (of / "report/index.html").read_text()
    nested = "../image_level/report/index.html" in (run / "report/index.html").read_text()
    assert nested == (not saliency)


TABLES = {
    ("fbr", "voc12"): """\
**FBR; the paper's numbers are of other base networks, AMN (I) and PPC on EPS (I+S)** (mIoU, %)

|  | paper, VOC 2012 val | this run |
| --- | --- | --- |
| NSROM's classifier, masks of train | – | – |
| NSROM's classifier + FBR (I), masks of train | 73.1 | – |
| NSROM's classifier + FBR (I+S), masks of train | 75.9 | – |
| NSROM's classifier, val | – | – |
| NSROM's classifier + FBR (I), val (test 73.2) | 71.8 | – |
| NSROM's classifier + FBR (I+S), val (test 74.9) | 74.2 | – |
""",
    ("fbr", "coco14"): """\
**FBR; the paper's numbers are of another base network, AMN (I); it has none with saliency (I+S) on COCO** (mIoU, %)

|  | paper, COCO 2014 | this run |
| --- | --- | --- |
| NSROM's classifier, masks of train | – | – |
| NSROM's classifier + FBR (I), masks of train | 46.7 | – |
| NSROM's classifier + FBR (I+S), masks of train | – | – |
| NSROM's classifier, val | – | – |
| NSROM's classifier + FBR (I), val | 45.6 | – |
| NSROM's classifier + FBR (I+S), val | – | – |
""",
    ("fbr_image_level", "voc12"): """\
**FBR from image-level labels (I): IRN in the place of saliency** (mIoU, %)

|  | paper, VOC 2012 val | this run |
| --- | --- | --- |
| NSROM's classifier, masks of train (IRN) | 72.2 | – |
| NSROM's classifier + FBR, masks of train (IRN) | 73.1 | – |
| NSROM's classifier, val (test 70.6) | 70.7 | – |
| NSROM's classifier + FBR, val (test 73.2) | 71.8 | – |
| with saliency (POM): NSROM's classifier, masks of train | – | – |
| with saliency (POM): NSROM's classifier + FBR, masks of train | – | – |
| with saliency: NSROM's classifier, val | – | – |
| with saliency: NSROM's classifier + FBR, val | – | – |

The published numbers are AMN's and those of FBR on AMN (ResNet-50); here the base is NSROM's classifier (VGG16 with\
 GloRe). A dash with saliency: scripts/paper/fbr.sh, which needs it, was not run here. With VOC's settings the\
 segmentation networks with saliency start from COCO's weights (SEG), those without from ImageNet's (SEG_IMAGE_LEVEL).
""",
    ("fbr_image_level", "coco14"): """\
**FBR from image-level labels (I): IRN in the place of saliency** (mIoU, %)

|  | paper, COCO 2014 | this run |
| --- | --- | --- |
| NSROM's classifier, masks of train (IRN) | – | – |
| NSROM's classifier + FBR, masks of train (IRN) | 46.7 | – |
| NSROM's classifier, val | 44.7 | – |
| NSROM's classifier + FBR, val | 45.6 | – |
| with saliency (POM): NSROM's classifier, masks of train | – | – |
| with saliency (POM): NSROM's classifier + FBR, masks of train | – | – |
| with saliency: NSROM's classifier, val | – | – |
| with saliency: NSROM's classifier + FBR, val | – | – |

The published numbers are AMN's and those of FBR on AMN (ResNet-50); here the base is NSROM's classifier (VGG16 with\
 GloRe). A dash with saliency: scripts/paper/fbr.sh, which needs it, was not run here. FBR's abstract calls the 45.6 on\
 val a test result. AMN's lists hold the images without an object, too, which data.prepare_coco14 leaves out.
""",
}


@pytest.mark.parametrize("script, name", TABLES)
def test_published_numbers_are_those_of_the_data_set(script, name, tmp_path):
    (tmp_path / name / "saliency").mkdir(parents=True)
    (tmp_path / name / "classes.txt").touch()
    module, words = calls_of(tmp_path, f"paper/{script}", DATA=tmp_path / name, RUN=tmp_path / "run")[-1]
    assert module == "report.tables.table"
    (tmp_path / "run").mkdir(exist_ok=True)
    table.main(table.parser().parse_args(words))
    assert (tmp_path / "run" / f"{script}.md").read_text() == TABLES[script, name]
