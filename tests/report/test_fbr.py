"""report.fbr_lines, report.fbr and report.fbr_picture: from the rows' scores to the page of FBR and its pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.dataset import DataSet
from common.images import VOC_PALETTE, write_grey, write_indexed
from report.fbr import Rows, report, usable
from report.fbr_lines import INSIDE
from report.fbr_picture import columns
from report.lines import read_lines
from report.tables.gallery import CELL

ROOT = Path(__file__).resolve().parents[2]
FBR = {"heads": "none", "labels": "refined", "background": 0.5, "temperature": 0.1, "centres": 8}
FBR |= {"nroi_weight": 0.05, "intra_weight": 0.0, "similarity_weight": 0.0, "segmentation_weight": 0.0}
VERSIONS = {"commit": "c" * 40, "torch": "2"}
ROWS = {  # name: (arguments, how far its scores are above those of ce, for seeds 1 2 3)
    "ce": ({}, (0, 0, 0)),
    "none_refined": (FBR, (3, 4, 5)),
    "cut": (FBR, (0, 0, 0)),
    "all": (FBR | {"segmentation_weight": 0.1}, (2, 2, 2)),
    "sweep_centres_16": (FBR | {"centres": 16}, (1, None, None)),
    "sweep_centres_2": (FBR | {"centres": 2}, (2, None, None)),
}


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def put_row(folder, seed, arguments, above, whole):
    """A row as scripts/study/fbr.sh leaves it: refined maps are 20 points above raw ones, labels 30, val 40."""
    record = {"arguments": {"seed": seed} | arguments, "versions": VERSIONS, "machine": "M"}
    put(folder / "cls" / "stage.json", record)
    for maps, more in (("cam", 0), ("cam_refined", 20)):
        value = 30 + seed + above + more
        found = {"best": {"mean_iou": value}, "fixed": {"mean_iou": value - 5}}
        put(folder / "scores" / maps / "scores.json", found | {"context_at_60": 60 - above / 2, "auc": 70 + above})
    labels = {"label_cam": 30} | dict.fromkeys(("label_initial", "label_pseudo", "pred2_val"), 40)
    for label, more in labels.items():
        if label == "label_cam" or whole:
            scores = {"mean_iou": 30 + seed + above + more, "ignored": 7.0, "false_negative": 3.0}
            put(folder / "scores" / label / "scores.json", scores | {"simple": scores})


def put_log(training, above):
    """TensorBoard's scalars of cls.train_fbr --diagnose: in the first half 0, then 0.5 and more."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(training / "tensorboard") as log:
        for step in range(0, 40, 10):
            for name in INSIDE:
                log.add_scalar(name, 0.5 + above / 10 if step >= 20 else 0, step)
            log.add_scalar("loss/nroi", 7, step)


@pytest.fixture
def results(run_command, tmp_path):
    for name, (arguments, differences) in ROWS.items():
        for seed, above in enumerate(differences, 1):
            if above is not None:
                put_row(tmp_path / f"seed{seed}" / name, seed, arguments, above, whole=name in ("ce", "all"))
                if name == "none_refined":
                    put_log(tmp_path / f"seed{seed}" / name / "cls", above)
    (tmp_path / "seed1" / "unfinished" / "cls").mkdir(parents=True)
    out = tmp_path / "results.jsonl"
    result = run_command("report.fbr_lines", "--runs", *sorted(tmp_path.glob("seed*")), "--out", out)
    assert result.returncode == 0 and "14 lines of 3 runs" in result.stdout, result.stderr
    return out


def test_a_line_has_all_scores(results):
    lines = {(line["row"], line["seed"]): line for line in map(json.loads, results.read_text().splitlines())}
    line = lines["all", 2]
    assert line["commit"] == "c" * 40 and line["machine"] == "M" and line["arguments"] == ROWS["all"][0]
    assert line["cam"] == {"best": 34, "fixed": 29, "context_at_60": 59, "auc": 72}
    assert line["cam_refined"]["best"] == 54 and line["label_cam"]["mean_iou"] == 64
    assert line["pred2_val"] == {"mean_iou": 74, "ignored": 7.0, "false_negative": 3.0}
    assert "pred2_val" not in lines["cut", 2] and "inside" not in lines["cut", 2]
    expected = dict.fromkeys(INSIDE, 90) | {"gradient ratio": 0.9}
    assert lines["none_refined", 2]["inside"] == pytest.approx(expected)


@pytest.fixture
def page(run_command, results):
    result = run_command("report.fbr", "--results", results, "--out", results.with_name("FBR.md"))
    assert result.returncode == 0, result.stderr
    return results.with_name("FBR.md").read_text()


def section(page, heading):
    return page.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_rows_are_paired_with_classification_alone(page, results):
    raw = "| `none_refined` | 36.0 ± 2.0 | +4.00 ± 2.48 (3/3) | 31.0 ± 2.0 | +4.00 ± 2.48 (3/3) |"  # 3 4 5: t = 4.303
    assert raw + " 58.0 ± 0.5 | -2.00 ± 1.24 (0/3) | 74.0 ± 1.0 | +4.00 ± 2.48 (3/3) |" in section(page, "CAMs")
    assert "| `ce` | 32.0 ± 1.0 |  | 27.0 ± 1.0 |  |" in section(page, "CAMs")
    assert "| `all` | 54.0 ± 1.0 | +2.00 ± 0.00 (3/3) |" in section(page, "Refined CAMs")
    label = section(page, "The initial label from the CAMs")
    assert "| `all` | 64.0 ± 1.0 | +2.00 ± 0.00 (3/3) | 7.0 ± 0.0 | +0.00 ± 0.00 (0/3) | 3.0 ± 0.0 |" in label
    assert "sweep" not in section(page, "CAMs")
    assert results.with_name("differences.png").stat().st_size > 5000 and "](differences.png)" in page


def test_the_rows_say_what_they_are(page):
    rows = section(page, "The rows")
    assert "| `ce` | 1 2 3 | – | – | – | – | – |" in rows
    assert "| `none_refined` | 1 2 3 | none | refined | 0.5 | 0.1 | 0.05 / 0 / 0 / 0 |" in rows
    assert rows.index("`ce`") < rows.index("`none_refined`") < rows.index("`all`") < rows.index("`cut`")


def test_what_the_trainings_logged(page):
    lines = section(page, "Where hard pixels and prototypes lie").strip().splitlines()
    assert lines[-1] == "| `none_refined` |" + " 90.0 ± 10.0 |" * 5 + " 0.9 ± 0.1 |" and "`all`" not in lines[-2]


def test_controls_have_their_largest_difference(page):
    controls = section(page, "Controls").splitlines()
    assert controls[-1].startswith("| `cut` | `ce` | +0.00 ± 0.00 (0/3) |") and controls[-1].endswith("| 0 |")
    parts = section(page, "Parts").splitlines()
    assert parts[-1].startswith("| `all` | `none_refined` | -2.00 ± 2.48 (0/3) |") and parts[-1].endswith("| 3 |")


def test_the_whole_method_where_it_was_run(page):
    whole = section(page, "The whole method")
    assert "| `all` | 74.0 ± 1.0 | +2.00 ± 0.00 (3/3) |" in whole and "`cut`" not in whole


def test_sweeps_stand_around_their_centre_on_their_seeds(page):
    rows = [line for line in section(page, "Sweeps").splitlines() if line.startswith("| `")]
    assert rows[0].startswith("| `centres` | 2 | 33.0 | -1.00 (0/1) | 53.0 | -1.00 (0/1) |")
    assert rows[1].startswith("| `centres` | 8 | 34.0 |  | 54.0 |  |")
    assert rows[2].startswith("| `centres` | 16 | 32.0 | -2.00 (0/1) |") and len(rows) == 3
    assert "Seeds 1." in section(page, "Sweeps")


def test_one_seed_and_scores_that_are_not_there(results):
    lines = read_lines([results], usable, "")
    one = [line | {"cam": line["cam"] | {"context_at_60": None}} for line in lines if line["seed"] == 1]
    text = report(one, "", with_maps=False)
    assert "| `all` | 33.0 | +2.00 (1/1) | 28.0 | +2.00 (1/1) | – | – |" in text and "maps.png" not in text
    assert list(Rows(one).differences("all", "ce", "cam", "context_at_60")) == []


@pytest.mark.parametrize("change", ["{}", "no", None])
def test_other_lines_are_refused(run_command, results, change):
    lines = results.read_text().splitlines()
    without = [line for line in lines if json.loads(line)["row"] != "ce"]
    results.write_text("\n".join([*lines, change] if change else without) + "\n")
    result = run_command("report.fbr", "--results", results, "--out", results.with_name("FBR.md"))
    assert result.returncode == 2 and not results.with_name("FBR.md").exists()
    assert ("report.fbr_lines" if change else "the row ce") in result.stderr and result.stderr.count("\n") == 1


def test_runs_without_scores_are_refused(run_command, tmp_path):
    result = run_command("report.fbr_lines", "--runs", tmp_path, "--out", tmp_path / "r.jsonl")
    assert result.returncode == 2 and "scripts/study/fbr.sh" in result.stderr


def test_the_page_in_the_repository_comes_from_the_lines_in_it():
    source = ROOT / "docs" / "fbr" / "results.jsonl"
    assert source.with_name("tables.md").read_text() == report(read_lines([source], usable, ""), "")


@pytest.fixture
def contexts(tmp_path):
    """Five images 40x40 of one class: an object at the top left, context below, and of both rows maps that call none,
    half or all of the context object: a 0 -> 100 %, b 100 -> 0, c 50 -> 50, d 100 -> 50; e has too little context.
    """
    data, run = tmp_path / "data", tmp_path / "run"
    for folder in (data / "JPEGImages", data / "lists", run / "ce" / "cam", run / "all" / "cam"):
        folder.mkdir(parents=True)
    for folder in ("SegmentationClass", "context"):
        (data / folder).mkdir()
    (data / "classes.txt").write_text("train\nboat\n")
    (data / "lists" / "train.txt").write_text("".join(f"{id} 1\n" for id in "abcde"))
    called = {"a": (0, 20), "b": (20, 0), "c": (10, 10), "d": (20, 10), "e": (20, 0)}  # columns of the context
    for id, counts in called.items():
        Image.new("RGB", (40, 40), (200, 100, 50)).save(data / "JPEGImages" / f"{id}.jpg")
        truth, context = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
        truth[:10, :10], context[20:, : 20 if id != "e" else 5] = 2, 2
        context[:20, 20:] = 1  # of a class that the image lacks
        write_indexed(data / "SegmentationClass" / f"{id}.png", truth)
        write_indexed(data / "context" / f"{id}.png", context)
        for row, count in zip(("ce", "all"), counts):
            map_ = np.zeros((40, 40), np.uint8)
            map_[:10, :10] = map_[20:, :count] = 255
            write_grey(run / row / "cam" / f"{id}_1.png", map_)
    return data, run


def test_the_picture_shows_the_ends(run_command, contexts, tmp_path):
    data, run = contexts
    places = ("--data", data, "--split", "train", "--run", run, "--out", tmp_path / "maps.png")
    result = run_command("report.fbr_picture", *places, "--count", 2)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "b: context called object 100 → 0 %",
        "a: context called object 0 → 100 %",
    ]
    result = run_command("report.fbr_picture", *places)
    assert [line[0] for line in result.stdout.splitlines()] == list("bdca")
    with Image.open(tmp_path / "maps.png") as figure:
        assert figure.width > 4 * CELL[1] and figure.height > 4 * CELL[1]


def test_columns_show_context_pale_and_each_rows_maps(contexts):
    data, run = contexts
    dataset = DataSet(data)
    folders = {row: run / row / "cam" for row in ("ce", "all")}
    pictures = columns(dataset, dataset.split("train"), folders)
    assert list(pictures) == ["image", "truth, context pale", "ce", "all"]
    colours = np.array(VOC_PALETTE).reshape(256, 3)
    truth = pictures["truth, context pale"]("b")
    assert truth[5, 5].tolist() == colours[2].tolist() and truth[15, 5].tolist() == [0, 0, 0]
    assert truth[30, 5].tolist() == ((colours[2] + 510) // 3).tolist()
    assert truth[5, 30].tolist() == ((colours[1] + 510) // 3).tolist()
    before, after = (pictures[row]("b").astype(int) for row in folders)
    assert (before[5, 5] == after[5, 5]).all() and (before[30, 5] == before[5, 5]).all()
    assert (after[30, 5] == after[15, 35]).all() and (before[30, 5] != after[30, 5]).any()


def test_the_picture_needs_context(run_command, contexts, tmp_path):
    data, run = contexts
    for path in (data / "context").iterdir():
        write_indexed(path, np.zeros((40, 40), np.uint8))
    places = ("--data", data, "--split", "train", "--run", run, "--out", tmp_path / "maps.png")
    result = run_command("report.fbr_picture", *places)
    assert result.returncode == 2 and "context" in result.stderr and not (tmp_path / "maps.png").exists()
