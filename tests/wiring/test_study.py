"""The studies over seeds: which seeds, rows and toy data they are made of."""

import os
import subprocess
from argparse import Namespace

import pytest

from fbr.settings import Settings
from stages.arguments import settings_of
from tests.wiring.scripts import ROOT, calls_of, parsed


def drawn(calls):
    """{folder: arguments of data.prepare_toy}."""
    return {words[1]: words[2:] for module, words in calls if module == "data.prepare_toy"}


def of(calls, module):
    return [parsed(module, words) for name, words in calls if name == module]


def seeds_of(calls):
    """{name of the data set: the seeds of its trainings}."""
    seeds = {}
    for arguments in of(calls, "cls.train") + of(calls, "cls.train_iam") + of(calls, "seg.train"):
        seeds.setdefault(arguments["data"].name, set()).add(arguments["seed"])
    return seeds


def test_ablation(tmp_path):
    """Table 3 and the others on data, initial weights and orders of one seed."""
    out = tmp_path / "ablation"
    (out / "seed4").mkdir(parents=True)
    (out / "seed4" / "fig5.png").touch()
    calls = calls_of(tmp_path, "ablation", 4, OUT=out)
    assert drawn(calls) == {str(out / "toy4"): ["--seed", "4"]} and seeds_of(calls) == {"toy4": {4}}
    tables = {(words[1], words[3]) for module, words in calls if module.endswith(".table")}
    assert tables == {(str(out / "seed4"), name) for name in ("table3", "controls", "table4", "fig6", "fig7")}


def test_toy_study(tmp_path):
    folder = tmp_path / "study"
    calls = calls_of(tmp_path, "toy_study", 2, OUT=folder)
    assert len(drawn(calls)) == 6 and len(set(map(tuple, drawn(calls).values()))) == 6
    assert seeds_of(calls) == {"toy2": {2}}
    assert {words[3] for module, words in calls if module.endswith(".table")} == {"table3"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """(folder, calls) of scripts/study/fbr.sh with two seeds."""
    folder = tmp_path_factory.mktemp("study")
    return folder / "fbr", calls_of(folder, "study/fbr", 1, 2, OUT=folder / "fbr", SETTINGS="toy")


def rows_of(calls):
    """{(seed, row): arguments of its training}."""
    trainings = of(calls, "cls.train") + of(calls, "fbr.train")
    return {(arguments["seed"], arguments["out"].parent.name): arguments for arguments in trainings}


def test_every_row_of_fbr_for_every_seed_and_three_go_on(study):
    """Sweeps for the first seed alone; each row is measured, and three go through the whole method."""
    out, calls = study
    rows = rows_of(calls)
    sweeps = {key for key in rows if key[1].startswith("sweep_")}
    assert len(sweeps) == 11 and {seed for seed, _ in sweeps} == {1}
    names = {row for _, row in rows.keys() - sweeps}
    assert len(names) == 19 and rows.keys() - sweeps == {(seed, row) for seed in (1, 2) for row in names}
    for (seed, row), arguments in rows.items():
        assert (arguments["data"], arguments["out"]) == (out / f"toy{seed}", out / f"seed{seed}" / row / "cls")
    assert drawn(calls) == {
        str(out / f"toy{n}"): f"--seed {n} --context 0.9 --context-alone 0.1".split() for n in (1, 2)
    }
    measured = {arguments["maps"] for arguments in of(calls, "report.studies.context")}
    assert len(measured) == 2 * len(rows)
    whole = {arguments["out"].relative_to(out).parts[:2] for arguments in of(calls, "cls.train_iam")}
    assert whole == {(f"seed{seed}", row) for seed in (1, 2) for row in ("ce", "all", "all_saliency")}
    assert [module for module, _ in calls[-3:]] == [
        f"report.studies.{name}" for name in ("picture", "collect", "tables")
    ]


DIFFERENT = {  # row: (another row, what is different)
    "similarity_segmentation": ("published", {"nroi_weight": 0, "intra_weight": 0}),
    "none_truth": ("shared_cam", {"heads": "none", "labels": "truth"}),
    "all": ("none_refined", {"intra_weight": 0.05, "segmentation_weight": 0.1}),
    "all_saliency": ("all", {"heads": "shared", "labels": "saliency"}),
    "shared_linear": ("shared_refined", {"projection_relu": False}),
    "null": ("none_refined", {"nroi_weight": 1e-6}),
    "cut": ("none_refined", {"intra_weight": 0.05, "cut_gradient": True}),
    "random": ("none_refined", {"random_nrois": True}),
    "one_centre": ("none_refined", {"centres": 1}),
}


def test_rows_of_fbr_are_what_they_are_called(study):
    rows = {row: arguments for (seed, row), arguments in rows_of(study[1]).items() if seed == 1}
    expected = dict(DIFFERENT)
    for row in rows:
        if row.startswith("sweep_"):
            name, value = row.removeprefix("sweep_").rsplit("_", 1)
            expected[row] = "none_refined", {name: float(value)}
    for row, (other, different) in expected.items():
        found = {name: value for name, value in rows[row].items() if name != "out" and value != rows[other][name]}
        assert found == different, row
    for row in rows.keys() - {"ce"}:
        settings_of(Namespace(**rows[row]), Settings)
    weights = ("nroi_weight", "intra_weight", "similarity_weight", "segmentation_weight")
    assert [rows["published"][name] for name in weights] == [0.05, 0.1, 0.1, 0.1]
    assert (rows["published"]["heads"], rows["published"]["temperature"]) == ("two", 0.5)
    assert [rows["none_refined"][name] for name in weights] == [0.05, 0, 0, 0]


def test_rows_of_irn(tmp_path):
    """Each classifier with and without saliency, `plain` on data without context; `truth` has no classifier."""
    out = tmp_path / "irn"
    calls = calls_of(tmp_path, "study/irn", 3, OUT=out)
    assert drawn(calls)[str(out / "toy3_plain")] == ["--seed", "3"]
    masked = {str(arguments["out"].relative_to(out / "seed3")) for arguments in of(calls, "pseudo.nsrm")}
    assert masked == {f"{row}/{way}label_masked" for row in ("ce", "fbr", "plain") for way in ("", "image_level/")}
    instances = {arguments["out"].relative_to(out / "seed3").parts[0] for arguments in of(calls, "irn.instances")}
    assert instances == {"ce", "fbr", "plain", "truth"}


def test_amn(tmp_path):
    """AMN and AMN with FBR on the same seeds of the same classifier, on data with context."""
    out = tmp_path / "amn"
    calls = calls_of(tmp_path, "study/amn", 3, OUT=out)
    assert drawn(calls) == {str(out / "toy3"): ["--seed", "3", "--context", "0.9", "--context-alone", "0.1"]}
    both = [of(calls, module)[0] for module in ("cls.train_amn", "fbr.train_amn")]
    assert len({arguments["seeds"] for arguments in both}) == 1 and {arguments["seed"] for arguments in both} == {3}


READ = ("--labels", "--label", "--pred", "--maps", "--cam", "--oa-cam", "--seeds")


def test_real(tmp_path):
    """What a stage reads was made before, and a row with weaker saliency takes that and the maps of main."""
    data, run = tmp_path / "photos", tmp_path / "out/seed4"
    data.mkdir()
    calls = calls_of(tmp_path, "real", 4, OUT=tmp_path / "out", DATA=data, JOBS=1)
    truth = str(data / "SegmentationClass")
    made, trained, classified = {truth}, set(), {"main", "no_glore", "fbr", "vgg16"}
    for module, words in calls:
        reads = {word: words[at + 1] for at, word in enumerate(words) if word in READ}  # the last of a name counts
        folders = {folder.removesuffix("/attention") for folder in reads.values() if folder.startswith("/")}
        assert {os.path.realpath(folder) for folder in folders} <= made, (module, words)  # long has links
        made |= {words[at + 1] for at, word in enumerate(words) if word == "--out"}
        if module == "seg.train" and truth not in words:
            trained.add(str(parsed(module, words)["labels"].relative_to(run)))
    sets = {
        f"{row}/label_{name}"
        for row in ("mild", "strong", "rectangle", "main")
        for name in ("initial", "pseudo", "masked")
    }
    assert sets | {"no_glore/label_initial", "main/image_level/label_irn", "fbr/label_masked"} <= trained
    assert {arguments["seed"] for arguments in of(calls, "seg.train")} == {4}
    lengths = {
        (arguments["out"].parent.name == "long", arguments["iterations"]) for arguments in of(calls, "seg.train")
    }
    assert lengths == {(False, 500), (True, 2000)}
    for module in ("pseudo.background", "pseudo.pom", "pseudo.nsrm"):
        for arguments in of(calls, module):
            row = arguments["out"].relative_to(run).parts[0]
            assert arguments["data"].name == ("photos" if row in {"long", *classified} else f"photos_{row}")
    assert {arguments["cam"].parent.name for arguments in of(calls, "pseudo.pom")} == classified


def test_some_rows_alone(tmp_path):
    chosen = {"ROWS": "ce random sweep_centres_2", "SWEEP_SEEDS": "2 5"}
    calls = calls_of(tmp_path, "study/fbr", 2, OUT=tmp_path / "fbr", SETTINGS="toy", **chosen)
    assert set(rows_of(calls)) == {(2, "ce"), (2, "random"), (2, "sweep_centres_2")}
    environment = os.environ | {"VENV": "", "OUT": str(tmp_path), "ROWS": "ce cutt"}
    result = subprocess.run(["scripts/study/fbr.sh"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.endswith("ROWS: there is no row cutt\n")
