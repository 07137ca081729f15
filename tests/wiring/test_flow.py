"""Which folders and arguments the scripts of the whole run, the tables and the figures hand to each stage."""

import pytest

from tests.wiring.scripts import Stages, calls_of, parsed

COCO = {"init": "weights/coco_resnet101.pth", "convention": "caffe"}
IMAGENET = {"init": "weights/resnet101.pth"}
VGG16 = {"init": "weights/vgg16.pth", "backbone": "vgg16"}


def maps_and_labels(folder="", init="weights/vgg16.pth", **options):
    """From images to pseudo labels."""
    at = f"{folder}/" if folder else ""
    options = {"init": init} | options
    return {
        f"{at}cls": ("cls.train", "train_aug", options),
        f"{at}iam": ("cls.train_iam", "train_aug", {"attention": f"{at}cls/attention"} | options),
        f"{at}cam": ("cls.infer", "train_aug", {"weights": f"{at}cls/weights.pth"}),
        f"{at}oa_cam": ("cls.infer", "train_aug", {"weights": f"{at}iam/weights.pth"}),
        f"{at}label_initial": ("pseudo.background", "train_aug", {"oa_cam": f"{at}oa_cam"}),
        f"{at}label_pseudo": ("pseudo.pom", "train_aug", {"label": f"{at}label_initial", "cam": f"{at}cam"}),
    }


def predicted(network, folder, split):
    return {folder: ("seg.predict", split, {"weights": f"{network}/weights.pth", "crf": True})}


def scored(folder, split, **options):
    place, _, name = folder.rpartition("/")
    out = f"{place}/scores/{name}" if place else f"scores/{name}"
    return {out: ("evaluate.labels", split, {"pred": folder} | options)}


def segmented(suffix, labels, folder="", start=COCO):
    """A training and its score."""
    at = f"{folder}/" if folder else ""
    network, prediction = f"{at}seg{suffix}", f"{at}pred{suffix}_val"
    stages = {network: ("seg.train", "train_aug", {"labels": labels} | start)}
    return stages | predicted(network, prediction, "val") | scored(prediction, "val")


def masked(suffix, prediction="pred1", folder="", **options):
    at = f"{folder}/" if folder else ""
    inputs = {"pred": at + prediction, "label": f"{at}label_pseudo"}
    return {f"{at}label_masked{suffix}": ("pseudo.nsrm", "train_aug", inputs | options)}


def two_rounds(suffix="", folder="", start=COCO):
    at = f"{folder}/" if folder else ""
    stages = segmented(f"1{suffix}", f"{at}label_pseudo", folder, start)
    stages |= predicted(f"{at}seg1{suffix}", f"{at}pred1{suffix}", "train_aug")
    stages |= masked(suffix, f"pred1{suffix}", folder)
    return stages | segmented(f"2{suffix}", f"{at}label_masked{suffix}", folder, start)


def summary():
    shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    stages = scored("cam", "train", map_thresholds=shares) | scored("oa_cam", "train", map_thresholds=shares)
    for folder in ("label_initial", "label_pseudo", "pred1", "label_masked"):
        stages |= scored(folder, "train")
    return stages


WHOLE = maps_and_labels() | two_rounds()
BASELINE = maps_and_labels("no_glore", glore=False) | segmented("_initial", "no_glore/label_initial", "no_glore")
VARIANTS = {"_all": "all_images", "_no_expansion": "expansion", "_no_masking": "masking", "_no_dilation": "dilation"}
KERNELS, NODES = (2, 5, 10, 20, 40, 50), (16, 32, 96, 128)


def variants_of_masking():
    stages = {}
    for suffix, option in VARIANTS.items():
        stages |= masked(suffix, **{option: option == "all_images"}) | segmented(f"2{suffix}", f"label_masked{suffix}")
    return stages


def kernels():
    stages = {}
    for size in KERNELS:
        suffix = f"_kernel{size}"
        stages |= masked(suffix, kernel_size=size) | segmented(f"2{suffix}", f"label_masked{suffix}")
    return stages


def nodes():
    stages = {}
    for count in NODES:
        stages |= maps_and_labels(f"nodes{count}", nodes=count) | two_rounds("", f"nodes{count}")
    return stages


TABLES = {  # script: (all its stages, the rows of its table)
    "run_all": (WHOLE | summary(), None),
    "table1": (
        maps_and_labels() | two_rounds("_vgg16", start=VGG16),
        [["ours, val (test 65.3)", "65.5", "pred2_vgg16_val"]],
    ),
    "table2": (
        maps_and_labels() | two_rounds("_imagenet", start=IMAGENET) | two_rounds(),
        [
            ["ours, val (test 68.5)", "68.3", "pred2_imagenet_val"],
            ["ours*, val (test 70.2)", "70.4", "pred2_val"],
        ],
    ),
    "table3": (
        WHOLE
        | BASELINE
        | segmented("_initial", "label_initial")
        | predicted("seg_initial", "pred_initial", "train_aug")
        | segmented("_retrain", "pred_initial")
        | segmented("_pom_retrain", "pred1"),
        [
            ["baseline", "67.7", "no_glore/pred_initial_val"],
            ["+ GR", "68.8", "pred_initial_val"],
            ["+ GR + retrain", "68.7", "pred_retrain_val"],
            ["+ GR + POM", "69.0", "pred1_val"],
            ["+ GR + POM + retrain", "69.7", "pred_pom_retrain_val"],
            ["+ GR + POM + NSRM", "70.4", "pred2_val"],
        ],
    ),
    "table4": (
        WHOLE | variants_of_masking(),
        [
            ["NSRM", "70.4", "pred2_val"],
            ["NSRM all", "68.8", "pred2_all_val"],
            ["NSRM - object expansion", "70.2", "pred2_no_expansion_val"],
            ["NSRM - masking", "70.0", "pred2_no_masking_val"],
            ["NSRM - dilation", "68.5", "pred2_no_dilation_val"],
        ],
    ),
    "fig4": (WHOLE | BASELINE | segmented("_initial", "label_initial"), None),
    "fig5": (WHOLE | predicted("seg2", "pred2", "train"), None),
    "fig6": (
        WHOLE | kernels(),
        [[str(k), "", f"pred2{'' if k == 30 else f'_kernel{k}'}_val"] for k in sorted([*KERNELS, 30])],
    ),
    "fig7": (
        WHOLE | nodes(),
        [[str(n), "", f"{'' if n == 64 else f'nodes{n}/'}pred2_val"] for n in sorted([*NODES, 64])],
    ),
    "controls": (
        maps_and_labels()
        | BASELINE
        | maps_and_labels("local_unit", local_unit=True)
        | segmented("_initial", "local_unit/label_initial", "local_unit")
        | segmented("_initial", "label_initial"),
        [
            ["baseline", "", "no_glore/pred_initial_val"],
            ["+ local unit", "", "local_unit/pred_initial_val"],
            ["+ GR", "", "pred_initial_val"],
            ["full supervision", "", "pred_full_val"],
        ],
    ),
}


def stages_of(folder, script, data, *arguments, **variables):
    run = folder / "run"
    return Stages(calls_of(folder, script, *arguments, DATA=data, RUN=run, **variables), run, data)


@pytest.fixture
def voc12(tmp_path):
    """The folder of a data set of this name, for scripts that look whether it is there."""
    (tmp_path / "voc12").mkdir()
    (tmp_path / "voc12" / "classes.txt").touch()
    return tmp_path / "voc12"


@pytest.mark.parametrize("script", TABLES)
def test_scripts_on_voc12(script, voc12, tmp_path):
    """The paper's numbers, but for what the script is about; a stage runs once, after what it reads."""
    stages, rows = TABLES[script]
    found = stages_of(tmp_path, script, voc12)
    expected = dict(stages)
    if script == "controls":
        expected |= segmented("_full", f"{voc12}/SegmentationClass")
    assert found.told == expected
    assert found.inputs_are_there
    assert list(found.rows.values()) == ([rows] if rows else [])


COCO14_START = IMAGENET | {"iterations": 100000}  # never from weights that were trained on COCO's masks


def on_coco14(stages):
    """The same on data/coco14, whose training images are `train`."""
    few = {"crf_min_probability": 0.05}
    return {
        out: (module, split.replace("train_aug", "train"), told | (few if module == "seg.predict" else {}))
        for out, (module, split, told) in stages.items()
    }


def image_level():
    """Without saliency: IRN's labels in the place of POM's, NSRM without saliency, the folders in image_level."""
    maps, at = "image_level/cam_pyramid", "image_level"
    stages = {
        "cls": ("cls.train", "train", {"init": "weights/vgg16.pth"}),
        maps: ("cls.infer", "train", {"weights": "cls/weights.pth", "scales": [1, 0.5, 1.5, 2], "flip": True}),
        f"{at}/label_seed": ("irn.seed", "train", {"maps": maps, "strict": 0.45, "loose": 0.15}),
        f"{at}/irn": ("irn.train", "train", {"seeds": f"{at}/label_seed", "init": "weights/resnet50.pth"}),
    }
    walk = {"maps": maps, "weights": f"{at}/irn/weights.pth", "background": 0.22}
    stages[f"{at}/label_irn"] = ("irn.walk", "train", walk)
    stages |= segmented("1", f"{at}/label_irn", at, COCO14_START) | predicted(f"{at}/seg1", f"{at}/pred1", "train")
    masks = {"pred": f"{at}/pred1", "label": f"{at}/label_irn", "saliency_mask": False}
    stages[f"{at}/label_masked"] = ("pseudo.nsrm", "train", masks)
    stages |= segmented("2", f"{at}/label_masked", at, COCO14_START)
    stages |= scored(maps, "train", map_thresholds=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    for folder in ("label_seed", "label_irn", "pred1", "label_masked"):
        stages |= scored(f"{at}/{folder}", "train")
    return stages


@pytest.mark.parametrize("saliency", [True, False], ids=["saliency", "image_level"])
def test_coco14_with_and_without_saliency(saliency, tmp_path):
    """The whole method, or the image-level setting; the report of a run in the run is written before the run's own."""
    data, run = tmp_path / "coco14", tmp_path / "run"
    (data / "saliency" if saliency else data).mkdir(parents=True)
    (data / "classes.txt").touch()
    found = stages_of(tmp_path, "run_all", data)
    with_saliency = maps_and_labels() | two_rounds(start=COCO14_START) | summary()
    assert found.told == on_coco14(with_saliency if saliency else image_level()) and found.inputs_are_there
    weights = ["vgg16", "resnet101"] + ([] if saliency else ["resnet50"])
    assert found.others[0] == ("weights.fetch", weights)
    parts = [run] if saliency else [run / "image_level", run]
    reports = [words for module, words in found.others if module == "report.run.html"]
    assert reports == [["--run", str(part), "--out", str(part / "report")] for part in parts]
    summaries = [words[1] for module, words in found.others if module == "report.tables.summary"]
    assert summaries == [str(parts[0])]


def test_columns_of_figure_4_are_rows_of_table_3(voc12, tmp_path):
    module, words = stages_of(tmp_path, "fig4", voc12).others[-1]
    columns = parsed(module, words)["column"]
    assert module == "report.tables.figure4"
    rows = {name: folder for name, _, folder in TABLES["table3"][1]}
    assert [rows[title] for title, _ in columns] == [folder for _, folder in columns]
    assert [title for title, _ in columns] == [name for name in rows if "retrain" not in name]


def test_stages_scripts_one_by_one(voc12, tmp_path):
    """As the README calls them: the same folders as in the whole run, without arguments."""
    names = ("cls_train", "cls_train_iam", "cls_infer", "pseudo_background", "pseudo_pom")
    steps = [(name, {}) for name in names]
    steps += [
        ("seg_train", {"ROUND": 1}),
        ("seg_predict", {"ROUND": 1}),
        ("pseudo_nsrm", {}),
        ("seg_train", {"ROUND": 2}),
    ]
    steps += [("seg_predict", {"ROUND": number, "SPLIT": "val"}) for number in (1, 2)] + [("summary", {})]
    places = {"DATA": voc12, "RUN": tmp_path / "run"}
    calls = [call for name, variables in steps for call in calls_of(tmp_path, name, **places, **variables)]
    found = Stages(calls, tmp_path / "run", voc12)
    without = {"init", "convention"}
    expected = {
        out: (module, split, {name: value for name, value in told.items() if name not in without})
        for out, (module, split, told) in (WHOLE | summary()).items()
    }
    assert found.told == expected and found.inputs_are_there


def test_published_codes_settings(voc12, tmp_path):
    found = stages_of(tmp_path, "run_all", voc12, SETTINGS="voc12_code")
    expected = dict(WHOLE | summary())
    for out, more in {
        **dict.fromkeys(("cls", "iam"), {"epochs": 15}),
        **dict.fromkeys(("seg1", "seg2"), {"iterations": 20000, "weight_decay": 5e-4}),
    }.items():
        module, split, told = expected[out]
        expected[out] = module, split, told | more
    assert found.told == expected


def test_settings_of_one_training_alone(voc12, tmp_path):
    """What a settings file adds to CLS or IAM reaches the classifier, or the integral attention model, and no other."""
    settings = tmp_path / "mine.sh"
    settings.write_text("source scripts/settings/voc12.sh\nCLS+=(--no-glore) IAM+=(--epochs 2)\n")
    told = stages_of(tmp_path, "run_all", voc12, SETTINGS=settings).told
    init = {"init": "weights/vgg16.pth"}
    assert told["cls"][2] == init | {"glore": False}
    assert told["iam"][2] == init | {"epochs": 2, "attention": "cls/attention"}


TOY_TRUNK = {"channels": [8, 16, 32, 64, 64], "depths": [1, 1, 2, 2, 2], "batch_norm": True, "output_stride": 4}
TOY = {
    "cls": TOY_TRUNK | {
        "epochs": 8, "decay_epochs": [4, 6], "batch_size": 10, "input_size": 96, "nodes": 16, "seed": 3,
    },
    "seg": TOY_TRUNK | {
        "backbone": "vgg16", "fc_channels": 0, "lr": 3e-3, "freeze_bn": False, "iterations": 480, "crop_size": 97,
        "scales": [0.75, 1, 1.25, 1.5], "pyramid": [], "rates": [1, 2, 3, 4], "seed": 3,
    },
    "predict": {"crf_iterations": 5, "crf_bilateral_sxy": 20, "crf_bilateral_srgb": 13},
    "nsrm": {"kernel_size": 8},
}  # fmt: skip


def test_toy_settings(tmp_path):
    """The same stages, with the toy run's numbers; a seed for everything that is random."""
    found = stages_of(tmp_path, "run_all", tmp_path / "toy", SEED=3)
    expected = {}
    kinds = {"cls.train": "cls", "cls.train_iam": "cls", "seg.train": "seg"}
    kinds |= {"seg.predict": "predict", "pseudo.nsrm": "nsrm"}
    for out, (module, split, told) in (WHOLE | summary()).items():
        told = {name: value for name, value in told.items() if name not in ("init", "convention")}
        expected[out] = module, split.replace("train_aug", "train"), told | TOY.get(kinds.get(module), {})
    for module, _, told in found.told.values():
        if module in ("cls.train", "cls.train_iam", "seg.train"):
            assert told.pop("init").startswith("weights/toy")
        if module == "cls.infer":
            assert told.pop("input_size", 96) == 96  # else the weight file says so
    assert found.told == expected
    (_, drawn), = [call for call in found.others if call[0] == "data.prepare_toy"]  # fmt: skip
    assert drawn == ["--out", str(tmp_path / "toy"), "--seed", "3"]
    (_, pretrained), = [call for call in found.others if call[0] == "weights.pretrain_toy"]  # fmt: skip
    assert "--seed" not in pretrained  # one trunk for all seeds
    trunk = parsed("weights.pretrain_toy", pretrained)
    assert all(trunk[name] == TOY_TRUNK[name] for name in ("channels", "depths", "batch_norm"))


@pytest.mark.parametrize("script", ["fig6", "fig7"])
def test_toy_figures(script, tmp_path):
    found = stages_of(tmp_path, script, tmp_path / "toy0")
    numbers = {"fig6": ["1", "2", "3", "5", "8", "11", "13"], "fig7": ["4", "8", "16", "32"]}[script]
    assert [row[0] for row in found.rows[script]] == numbers
    command, option = {"fig6": ("pseudo.nsrm", "kernel_size"), "fig7": ("cls.train", "nodes")}[script]
    varied = {told[option] for module, _, told in found.told.values() if module == command}
    assert varied == set(map(int, numbers))


def test_toy_starts_of_table_2(tmp_path):
    """Both are random, in one convention each."""
    told = stages_of(tmp_path, "table2", tmp_path / "toy0").told
    start = {"blocks": [1, 1, 2, 1], "width": 16, "lr": 5e-3, "iterations": 480, "crop_size": 97, "pyramid": []}
    start |= {"scales": [0.75, 1, 1.25, 1.5], "rates": [1, 2, 3, 4]}
    for suffix, convention in (("imagenet", {}), ("coco", {"convention": "caffe"})):
        for number, labels in ((1, "label_pseudo"), (2, f"label_masked_{suffix}")):
            assert told[f"seg{number}_{suffix}"] == ("seg.train", "train", start | convention | {"labels": labels})


def test_authors_model(tmp_path, voc12):
    (tmp_path / "w.pth").touch()
    found = stages_of(tmp_path, "eval_official", voc12, WEIGHTS=tmp_path / "w.pth")
    told = {"weights": str(tmp_path / "w.pth"), "pyramid": [0.5, 0.75], "crf": True}
    assert found.told == {"official_val": ("seg.predict", "val", told)} | scored("official_val", "val")
    assert [row[1:] for row in found.rows["official"]] == [["70.4", "official_val"]]
