"""What the scripts of FBR would run, without running it: rows that the training accepts, jobs in their order."""

import os
import subprocess

import pytest

from fbr import train as train_fbr
from tests.wiring.scripts import ROOT, calls_of, parsed

WEIGHTS = ("nroi_weight", "intra_weight", "similarity_weight", "segmentation_weight")


def of(calls, module):
    return [parsed(module, words) for name, words in calls if name == module]


def rows_of(calls):
    """{(seed, row): arguments of its training}."""
    found = of(calls, "cls.train") + of(calls, "fbr.train")
    return {(told["seed"], told["out"].parent.name): told for told in found}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return folder / "fbr", calls_of(folder, "study/fbr", 1, 2, OUT=folder / "fbr", SETTINGS="toy")


def test_every_row_for_every_seed(study):
    out, calls = study
    rows = rows_of(calls)
    sweeps = {key for key in rows if key[1].startswith("sweep_")}
    assert len(sweeps) == 11 and {seed for seed, _ in sweeps} == {1}
    names = {row for _, row in rows.keys() - sweeps}
    assert len(names) == 19 and rows.keys() - sweeps == {(seed, row) for seed in (1, 2) for row in names}
    assert len(of(calls, "cls.train")) == 2 and {row for _, row in rows} >= {"ce", "published", "all", "one_centre"}
    for (seed, row), told in rows.items():
        assert (told["data"], told["out"]) == (out / f"toy{seed}", out / f"seed{seed}" / row / "cls")


def test_the_data_have_context(study):
    told = of(study[1], "data.prepare_toy")
    assert sorted(each["seed"] for each in told) == [1, 2]
    assert all((each["context"], each["context_alone"]) == (0.9, 0.1) for each in told)


def test_rows_are_what_they_are_called(study):
    rows = {row: told for (seed, row), told in rows_of(study[1]).items() if seed == 1}
    toy = {"embedding": 64, "bank_size": 2000, "queries": 128, "prototype_pixels": 18}

    def different(row, other):
        return {name: value for name, value in rows[row].items() if name != "out" and value != rows[other][name]}

    for row, told in rows.items():
        if row != "ce":
            train_fbr.check(train_fbr.Namespace(**told))
            assert row.startswith("sweep_bank") or toy.items() <= told.items(), row
    assert [rows["published"][name] for name in WEIGHTS] == [0.05, 0.1, 0.1, 0.1]
    assert rows["published"]["heads"] == "two" and rows["published"]["temperature"] == 0.5
    assert [rows["none_refined"][name] for name in WEIGHTS] == [0.05, 0, 0, 0]
    assert different("similarity_segmentation", "published") == {"nroi_weight": 0, "intra_weight": 0}
    assert different("none_truth", "shared_cam") == {"heads": "none", "labels": "truth"}
    assert different("all", "none_refined") == {"intra_weight": 0.05, "segmentation_weight": 0.1}
    assert different("all_saliency", "all") == {"heads": "shared", "labels": "saliency"}
    assert different("shared_linear", "shared_refined") == {"projection_relu": False}
    assert different("null", "none_refined") == {"nroi_weight": 1e-6}
    assert different("cut", "none_refined") == {"intra_weight": 0.05, "cut_gradient": True}
    assert different("random", "none_refined") == {"random_nrois": True}
    assert different("one_centre", "none_refined") == {"centres": 1}
    for row in rows:
        if row.startswith("sweep_"):
            name, value = row.removeprefix("sweep_").rsplit("_", 1)
            assert different(row, "none_refined") == {name: float(value)}


def test_settings_of_the_toy_data_are_rows(study, tmp_path):
    rows = {row: told for (seed, row), told in rows_of(study[1]).items() if seed == 1}
    calls = of(calls_of(tmp_path, "paper/fbr", DATA=tmp_path / "toy", RUN=tmp_path / "run"), "fbr.train")
    for told, row in zip(calls, ("all", "shared_saliency"), strict=True):
        other = {name for name, value in told.items() if value != rows[row][name]}
        assert other == {"data", "out", "seed", "diagnose"}


def test_each_row_is_measured_and_three_go_on(study):
    out, calls = study
    measured = {told["maps"].relative_to(out) for told in of(calls, "report.studies.context")}
    assert len(measured) == 2 * len(rows_of(calls))
    whole = {told["out"].relative_to(out).parts[:2] for told in of(calls, "cls.train_iam")}
    assert whole == {(f"seed{seed}", row) for seed in (1, 2) for row in ("ce", "all", "all_saliency")}
    scored = {told["pred"].relative_to(out / "seed2" / "all") for told in of(calls, "evaluate.labels")
              if told["pred"].is_relative_to(out / "seed2" / "all")}  # fmt: skip
    expected = {"cam", "cam_refined", "label_cam", "label_initial", "label_pseudo", "pred1_val", "pred2_val"}
    assert {str(path) for path in scored} == expected
    assert [module for module, _ in calls[-3:]] == [
        f"report.studies.{name}" for name in ("collect", "picture", "tables")
    ]


def test_some_rows_alone(tmp_path):
    chosen = {"ROWS": "ce random sweep_centres_2", "SWEEP_SEEDS": "2 5"}
    calls = calls_of(tmp_path, "study/fbr", 2, OUT=tmp_path / "fbr", SETTINGS="toy", **chosen)
    assert set(rows_of(calls)) == {(2, "ce"), (2, "random"), (2, "sweep_centres_2")}
    assert len(of(calls, "cls.train_iam")) == 1 and not of(calls, "seg.train")[0]["out"].is_relative_to("runs")


def test_an_unknown_row(tmp_path):
    environment = os.environ | {"VENV": "", "OUT": str(tmp_path), "ROWS": "ce cutt"}
    result = subprocess.run(["scripts/study/fbr.sh"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.endswith("ROWS: there is no row cutt\n")


def voc(tmp_path, **variables):
    """Calls of paper/fbr on a data set called voc12, and the values that FBR's arguments have by default."""
    data = tmp_path / "voc12"
    data.mkdir()
    (data / "classes.txt").touch()
    calls = calls_of(tmp_path, "paper/fbr", DATA=data, RUN=tmp_path / "run", **variables)
    needed = ["--data", "d", "--split", "s", "--out", "o"]
    default = vars(train_fbr.parser().parse_args(needed))
    return calls, {
        name: default[name] for name in default.keys() - vars(train_fbr.training_parser("").parse_args(needed))
    }


def test_voc_as_published(tmp_path):
    calls, default = voc(tmp_path, SETTINGS="voc12_code")
    image_labels, saliency = of(calls, "fbr.train")
    assert {name: image_labels[name] for name in default} == default
    assert {name: saliency[name] for name in default if saliency[name] != default[name]} == {
        "labels": "saliency", "bank_size": 50000, "nroi_weight": 0.01, "hard_quantile": 0.6, "entropy_quantile": 0.1,
        "prototype_pixels": 16,
    }  # fmt: skip


def test_voc(tmp_path):
    """The settings are ours, with the published sizes."""
    calls, default = voc(tmp_path)
    image_labels, saliency = of(calls, "fbr.train")
    assert {name: image_labels[name] for name in default if image_labels[name] != default[name]} == {
        "heads": "none", "labels": "refined", "background": 0.5, "temperature": 0.1, "intra_weight": 0.05,
        "similarity_weight": 0,
    }  # fmt: skip
    different = {name for name in default if saliency[name] != image_labels[name]}
    assert different == {"heads", "labels", "intra_weight", "segmentation_weight"}
    assert (saliency["heads"], saliency["labels"]) == ("shared", "saliency")
    run = tmp_path / "run"
    masks = {str(told["pred"].relative_to(run)) for told in of(calls, "evaluate.labels") if told["split"] == "train"}
    assert masks == {"label_pseudo", "fbr/label_pseudo", "fbr_saliency/label_pseudo"}
    assert image_labels["split"] == "train_aug" and len(of(calls, "cls.train_iam")) == 3
