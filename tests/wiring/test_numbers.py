"""The paper's hyperparameters: the commands' defaults, the stages' scripts and VOC's settings have the same ones."""

import re

import pytest

from tests.wiring.scripts import ROOT, calls_of, defaults_of, parsed

TRUNK = {"channels": [64, 128, 256, 512, 512], "depths": [2, 2, 3, 3, 3], "batch_norm": False, "output_stride": 8}
RUNNING = {"device": "auto", "amp": None, "tf32": True, "deterministic": False}
TRAINING = RUNNING | {"seed": 0}
CLASSIFICATION = TRUNK | TRAINING | {
    "init": None, "epochs": 14, "batch_size": 5, "lr": 1e-3, "weight_decay": 5e-4, "decay_epochs": [5, 10],
    "input_size": 256, "nodes": 64, "glore": True, "local_unit": False,
}  # fmt: skip
WALK = RUNNING | {"amp": False, "batch_size": None, "background": 0.25, "radius": 5, "beta": 10, "exponent": 8}
PAPER = {
    "cls.train": CLASSIFICATION,
    "fbr.train": CLASSIFICATION | {
        "heads": "two", "embedding": 128, "projection_relu": True, "labels": "cam", "background": 0.1,
        "band": (0.3, 0.7), "refine_sigma": 0.03, "refine_steps": 10, "nroi_weight": 0.05, "intra_weight": 0.1,
        "similarity_weight": 0.1, "segmentation_weight": 0.1, "centres": 8, "bank_size": 100000, "negatives": 256,
        "temperature": 0.5, "queries": 1024, "hard_quantile": 0.4, "entropy_quantile": 0.25, "prototype_pixels": 32,
        "contrast_from": 1, "cut_gradient": False, "random_nrois": False, "diagnose": False,
    },
    "cls.train_iam": CLASSIFICATION,
    "cls.infer": RUNNING,
    "irn.seed": {
        "strict": 0.3, "loose": 0.05, "confidence": 0.7, "crf_iterations": 10, "crf_gaussian_sxy": 3,
        "crf_gaussian_weight": 3, "crf_bilateral_sxy": 50, "crf_bilateral_srgb": 5, "crf_bilateral_weight": 10,
    },
    "irn.train": TRUNK | TRAINING | {
        "backbone": "resnet50", "init": None, "epochs": 3, "batch_size": 32, "lr": 0.1, "weight_decay": 1e-4,
        "momentum": 1e-4, "crop_size": 512, "scales": [0.5, 1.5], "radius": 10, "branch_width": 32,
        "blocks": [3, 4, 6, 3], "width": 64,
    },
    "irn.walk": WALK | {"power": 1.3},
    "irn.instances": WALK | {"centre": 2.5},
    "irn.export_coco": {"min_score": 1e-5},
    "pseudo.background": {
        "score_threshold": 0.3, "conflict_threshold": 0.9, "attention_threshold": 0.8, "saliency_threshold": 32,
    },
    "pseudo.pom": {"background_threshold": 0.3},
    "pseudo.nsrm": {
        "kernel_size": 30, "expansion": True, "masking": True, "dilation": True, "saliency_mask": True,
        "salient_above": 0, "simple_from": "prediction", "all_images": False,
    },
    "seg.train": TRUNK | TRAINING | {
        "backbone": "resnet101", "convention": "torchvision", "init": None, "iterations": 10000, "batch_size": 10,
        "lr": 2.5e-4, "weight_decay": 1e-4, "crop_size": 321, "scales": [0.5, 0.75, 1, 1.25, 1.5],
        "pyramid": [0.5, 0.75], "rates": [6, 12, 18, 24], "freeze_bn": True, "blocks": [3, 4, 23, 3], "width": 64,
        "fc_channels": 1024,
    },
    "seg.predict": RUNNING | {
        "backbone": None, "pyramid": None, "crf": False, "crf_iterations": 10, "crf_gaussian_sxy": 1,
        "crf_gaussian_weight": 3, "crf_bilateral_sxy": 67, "crf_bilateral_srgb": 3, "crf_bilateral_weight": 4,
        "crf_min_probability": 0, "crf_backend": "auto",
    },
    "evaluate.labels": {"map_thresholds": None},
}  # fmt: skip
SCRIPTS = {
    "cls_train": ["cls.train"],
    "cls_train_iam": ["cls.train_iam"],
    "cls_infer": ["cls.infer", "cls.infer"],
    "pseudo_background": ["pseudo.background"],
    "pseudo_pom": ["pseudo.pom"],
    "pseudo_nsrm": ["pseudo.nsrm"],
    "seg_train": ["seg.train"],
    "seg_predict": ["seg.predict"],
}


def only(names, values):
    return {name: values[name] for name in names}


@pytest.mark.parametrize("module", PAPER)
def test_defaults(module):
    assert only(PAPER[module], defaults_of(module)) == PAPER[module]


def test_only_what_draws_numbers_takes_a_seed():
    """So that no result is refused, or made again, for another seed."""
    drawing = {"cls.train", "fbr.train", "cls.train_iam", "irn.train", "seg.train"}
    assert {module for module in PAPER if "seed" in defaults_of(module)} == drawing


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts(script, tmp_path):
    """Started alone they have the paper's numbers, which further arguments replace."""
    for further in ([], ["--out", "elsewhere", "--force"]):
        calls = calls_of(tmp_path, script, *further, DATA="data/mine")
        assert [module for module, _ in calls] == SCRIPTS[script]
        for module, arguments in calls:
            found = parsed(module, arguments)
            assert only(PAPER[module], found) == PAPER[module] | ({"crf": True} if module == "seg.predict" else {})
            assert found.get("input_size") in (None, 256)
            assert (str(found["out"]) == "elsewhere") == found["force"] == bool(further)


ROWS = {  # of the table "paper, published code, here": the last cell, "as the code" resolved
    "classifier and IAM: epochs": "14",
    "batch, learning rate, weight decay": "5, 1e-3, 5e-4 biases ×2, head ×10, its biases ×20",
    "learning rate ÷ 10": "at epochs 5 and 10",
    "SGD": "with Nesterov",
    "input": "256×256 colour jitter no flip",
    "attention accumulation": "from the second epoch probability ≥ 0.1",
    "BE thresholds": "0.3, 0.9, 0.8, 32",
    "T_bg of POM, Eq. 6": "0.3",
    "kernel of NSRM": "30",
    "segmentation: iterations, batch": "10 000 of 10",
    "learning rate, schedule": "2.5e-4, polynomial 0.9 updated every 10 iterations",
    "weight decay": "1e-4",
    "learning rate of ASPP": "weights ×10; biases ×20, no decay",
    "batch norm": "frozen",
    "multi-scale": "1, 0.5, 0.75, maximum; four losses",
    "crops": "scales 0.5 to 1.5, 321×321, flip",
    "CRF": "10 iterations, (1, 3), (67, 3, 4)",
}


def test_the_documents_have_the_same_numbers():
    pages = [path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"))]
    tables = (re.search(r"\| paper \| published code \| here \|\n(.*?)\n\n", page, re.DOTALL) for page in pages)
    lines = next(table for table in tables if table)[1].splitlines()
    rows = {name: cells for line in lines for name, *cells in [[cell.strip() for cell in line.split("|")[1:-1]]]}
    for name, words in ROWS.items():
        paper, code, here = rows[name]
        said = {"as the code": f"{paper} {code}", "as the paper": paper, "the same": f"{paper} {code}"}.get(here, here)
        assert set(re.findall(r"[\w.×÷-]+", words)) <= set(re.findall(r"[\w.×÷-]+", said)), name
