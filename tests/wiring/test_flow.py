"""The stages that the scripts call, with their folders and arguments, are those of flow.txt, in this order.

A section of flow.txt begins with "# <script> <data set> [VARIABLE=value …][: command …]", where the commands are those
that it shows ("table": the rows of tables). It has a line for each stage, without its default arguments, and each row.
"""

import re
from pathlib import Path

import pytest

from tests.wiring.scripts import calls_of, lines_of, parsed, parser_of

FLOW = dict(
    section.split("\n", 1) for section in Path(__file__).with_name("flow.txt").read_text().strip()[2:].split("\n\n# ")
)


@pytest.fixture
def called(tmp_path):
    """`called(script, data set, **variables)`: the calls of a script, with a data set of this name in the folder.

    It has a folder InstanceMasks, and saliency if it has a "+" behind its name.
    """
    run = tmp_path / "run"

    def called(script, name, **variables):
        data = tmp_path / name.removesuffix("+")
        (data / "saliency" if name.endswith("+") else data).mkdir(parents=True, exist_ok=True)
        (data / "InstanceMasks").mkdir(exist_ok=True)
        (data / "classes.txt").touch()
        return calls_of(tmp_path, script, DATA=data, RUN=run, **variables)

    called.run = run
    return called


@pytest.mark.parametrize("section", FLOW)
def test_flow(section, called, tmp_path):
    head, _, shown = section.partition(":")
    script, name, *variables = head.split()
    lines = lines_of(called(script, name, **dict(each.split("=") for each in variables)), called.run)
    assert scored(lines)
    lines = [line for line in lines if not shown or ("table" if " | " in line else line.split()[1]) in shown.split()]
    assert [line.replace(str(tmp_path / name.removesuffix("+")), "DATA") for line in lines] == FLOW[section].split("\n")


@pytest.mark.parametrize("script, saliency", [("fbr_amn", False), ("run_all", True)])
def test_saliency_is_made_where_it_is_read(called, script, saliency):
    assert any(module == "data.saliency" for module, _ in called(script, "voc12_animals")) == saliency


def scored(lines):
    """Whether the folder of each row of a table has been scored, or belongs to another script."""
    made = {line.split(":")[0] for line in lines}
    folders = [Path(line.split(" | ")[-1]) for line in lines if " | " in line]
    return all(str(each.parent / "scores" / each.name) in made for each in folders if str(each) in made)


def test_stages_scripts_one_by_one(called):
    """Called as they are, they make the folders of the whole run."""
    steps = [(name, {}) for name in "cls_train cls_train_iam cls_infer pseudo_background pseudo_pom".split()]
    steps += [("seg_train", {}), ("seg_predict", {"SPLIT": "val"}), ("seg_predict", {}), ("pseudo_nsrm", {})]
    steps += [("seg_train", {"ROUND": 2}), ("seg_predict", {"ROUND": 2, "SPLIT": "val"}), ("summary", {})]
    calls = [call for name, variables in steps for call in called(name, "voc12", **variables)]
    whole = re.sub(r" (convention|init)=\S+", "", FLOW["run_all voc12"]).split("\n")
    assert {*lines_of(calls, called.run)} == {*whole}


def test_reports_of_a_run_within_a_run(called):
    """The report of image_level is written before that of the run, which links to it."""
    calls = called("run_all", "coco14")
    reports = [words[1] for module, words in calls if module == "report.run.html"]
    assert reports == [str(called.run / "image_level"), str(called.run)]


def test_irns_classifier_goes_without_saliency(called):
    """Even where there is some; its maps are irn's files."""
    calls = called("run_all", "voc12+", SETTINGS="voc12_irn")
    cls, infer, seed, *_ = lines_of(calls, called.run)
    assert " backbone=resnet50 " in cls and " crop_size=512" in cls and " momentum=0.0001 " in cls
    assert infer.startswith("image_level/cam_pyramid: cls.infer ") and infer.endswith(" dump_float=True")
    assert seed == "image_level/label_seed: irn.seed train_aug maps=image_level/cam_pyramid"
    assert not any(module == "cls.train_iam" for module, _ in calls)


def test_columns_of_figure_4_are_rows_of_table_3(called):
    lines = FLOW["table3 voc12: table cls.train cls.train_iam seg.train"].split("\n")
    rows = [line.split(" | ") for line in lines if " | " in line]
    columns = parsed(*called("fig4", "voc12")[-1])["column"]
    assert columns == [[name, folder] for _, name, _, folder in rows if "retrain" not in name]


def test_toy_data_and_start_follow_the_seed(called, tmp_path):
    """The data do; the backbone's weights are the same for all seeds, as ImageNet's are."""
    calls = dict(called("run_all", "toy", SEED=3))
    assert calls["data.prepare_toy"] == ["--out", str(tmp_path / "toy"), "--seed", "3"]
    assert "--seed" not in calls["weights.pretrain_toy"]


def test_settings_of_one_training_alone(called, tmp_path):
    """CLS reaches the classifier, IAM the integral attention model."""
    settings = tmp_path / "mine.sh"
    settings.write_text("source scripts/settings/voc12.sh\nCLS+=(--no-glore) IAM+=(--epochs 2)\n")
    cls, iam, *_ = lines_of(called("run_all", "voc12", SETTINGS=settings), called.run)
    assert cls.endswith(" glore=False") and " epochs=2 " in iam and "glore" not in iam


@pytest.mark.parametrize("script", ["run_all", "fbr", "fbr_amn", "instances"])
def test_all_gpus_go_to_the_stages_with_a_device_and_to_no_others(script, called):
    for module, words in called(script, "voc12+", GPUS="0,1"):
        several = module == "torch.distributed.run"
        command = words[words.index("-m") + 1] if several else module
        if command.split(".")[0] in ("cls", "fbr", "pseudo", "seg", "irn", "evaluate"):
            options = {option for action in parser_of(command)._actions for option in action.option_strings}
            assert several == ("--device" in options), command
