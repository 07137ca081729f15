"""The method on photographs: Tables 3 and 4, what saliency is worth, FBR, and IRN's labels."""

from report.studies.study import LABELS, Study, Table, named

TABLE3 = {  # label, with the paper's mIoU: "row; folder", and what it is compared with
    "baseline (67.7)": ("no_glore; pred_initial_val",) * 2,
    "+ GR (68.8), to the baseline": ("main; pred_initial_val", "no_glore; pred_initial_val"),
    "+ GR + retrain (68.7), to + GR": ("main; pred_retrain_val", "main; pred_initial_val"),
    "+ POM, to the baseline": ("no_glore; pred1_val", "no_glore; pred_initial_val"),
    "+ GR + POM (69.0), to + GR": ("main; pred1_val", "main; pred_initial_val"),
    "+ GR + POM + retrain (69.7), to + GR + POM": ("main; pred_pom_retrain_val", "main; pred1_val"),
    "+ GR + POM + NSRM (70.4), to + GR + POM": ("main; pred2_val", "main; pred1_val"),
    "the same, to + GR + POM + retrain": ("main; pred2_val", "main; pred_pom_retrain_val"),
    "labels for NSRM's simple images (ours), to NSRM": ("main; pred2_simple_label_val", "main; pred2_val"),
    "agreement (ours), to + GR + POM": ("main; pred2_agreement_val", "main; pred1_val"),
    "agreement (ours), to NSRM": ("main; pred2_agreement_val", "main; pred2_val"),
    "full supervision, 437 images, to + GR": ("main; pred_full_val", "main; pred_initial_val"),
}
LONG = {
    "+ GR, to a quarter of the iterations": ("long; pred_initial_val", "main; pred_initial_val"),
    "+ GR + POM, to a quarter of the iterations": ("long; pred1_val", "main; pred1_val"),
    "+ GR + POM, to + GR": ("long; pred1_val", "long; pred_initial_val"),
    "+ GR + POM + NSRM, to + GR + POM": ("long; pred2_val", "long; pred1_val"),
}
TABLE4 = {
    "NSRM (70.4)": ("main; pred2_val",) * 2,
    "NSRM all (68.8)": ("main; pred2_all_val", "main; pred2_val"),
    "NSRM - object expansion (70.2)": ("main; pred2_no_expansion_val", "main; pred2_val"),
    "NSRM - masking (70.0)": ("main; pred2_no_masking_val", "main; pred2_val"),
    "NSRM - dilation (68.5)": ("main; pred2_no_dilation_val", "main; pred2_val"),
}
NETWORKS = {"EfficientNet-Lite0 with GloRe": "main", "without GloRe": "no_glore", "VGG16, trained on edges": "vgg16"}
SALIENCY = {"U²-Net": "main", "mild": "mild", "strong": "strong", "rectangle": "rectangle"}
IRN = {  # heading: with saliency, without
    "labels: initial, seeds": ("label_initial", "image_level/label_seed"),
    "labels of round 1": ("label_pseudo", "image_level/label_irn"),
    "labels of round 2": ("label_masked", "image_level/label_masked"),
    "val, round 1": ("pred1_val", "image_level/pred1_val"),
    "val, round 2": ("pred2_val", "image_level/pred2_val"),
}
MAPS = {"CAM": "cam", "OA-CAM": "oa_cam"}
LABELLED = {"initial labels": "label_initial", "pseudo labels": "label_pseudo"}
FINAL = {"val, round 1": "pred1_val", "val, round 2": "pred2_val"}
KINDS = {"": "", ", simple": "simple, ", ", complex": "complex, "}  # images: beginning of a key in scores.json


def cell(one: str, other: str = "") -> str:
    """The cell of the mIoU of "row; folder", or of the difference of two such."""
    (row, folder), (base, before) = (text.split("; ") for text in (one, other or one))
    rows = row if row == base and folder != before or not other else f"{row} | {base}"
    return f"{rows}; {folder}, mean_iou" + (f" | {before}, mean_iou" if folder != before else "")


def compared(rows: dict[str, tuple[str, str]]) -> dict[str, dict]:
    """Rows of a table, each with its cell and that of its difference to the other."""
    return {label: {"here": cell(one), "to": cell(one, other)} for label, (one, other) in rows.items()}


def gain(folder: str, before: str) -> str:
    return f"{{row}}; {folder}, mean_iou | {before}, mean_iou"


COMPARED = [("mIoU, val", "{row[here]}"), ("paired difference", "{row[to]}")]
WORTH = [
    *(
        (f"{name}, {heading}", f"{{row}}; label_{name}, {LABELS[heading]}")
        for name in ("initial", "pseudo")
        for heading in LABELS
    ),
    ("POM adds to labels", gain("label_pseudo", "label_initial")),
    ("val, on initial", "{row}; pred_initial_val, mean_iou"),
    ("val, on pseudo", "{row}; pred1_val, mean_iou"),
    ("POM adds to val", gain("pred1_val", "pred_initial_val")),
    ("val, round 2", "{row}; pred2_val, mean_iou"),
    ("NSRM adds", gain("pred2_val", "pred1_val")),
]
SECOND = {"labels": "label_pseudo", "predictions": "pred1", "masked": "label_masked", "agreement": "label_agreement"}
ROUNDS = [
    (f"{name}{kind}", f"{{row}}; {folder}, {key}mean_iou")
    for name, folder in SECOND.items()
    for kind, key in KINDS.items()
]
CLASSIFIED = [(name, f"{{row}}; {folder}, mean_iou") for name, folder in (MAPS | LABELLED).items()]
CONTEXT = [(f"context, {name}", f"{{row}}; context_{folder}, context_at_60") for name, folder in MAPS.items()]
FINALLY = [(name, f"{{row}}; {folder}, mean_iou") for name, folder in FINAL.items()]
WITHOUT = [
    ("with saliency", "main; {row[0]}, mean_iou"),
    ("without", "main; {row[1]}, mean_iou"),
    ("without - with", "main; {row[1]}, mean_iou | {row[0]}, mean_iou"),
]
SCORED = ["label_masked_simple_label", "label_agreement", *MAPS.values(), "label_masked", "pred1"]
SCORED += [text.split("; ")[1] for pair in (*TABLE3.values(), *LONG.values(), *TABLE4.values()) for text in pair]
SCORED += [name for pair in IRN.values() for name in pair]
KEYS = (*LABELS.values(), *(f"{key}mean_iou" for key in KINDS.values()))
STUDY = Study(
    "The method on photographs: tables",
    "scripts/study/real.sh",
    "docs/real.md says what rows and columns are.",
    [
        Table("Table 3: components", compared(TABLE3), COMPARED),
        Table("Trained four times as long", compared(LONG), COMPARED),
        Table("Table 4: variants of NSRM", compared(TABLE4), COMPARED),
        Table("Classifiers", NETWORKS, CLASSIFIED),
        Table("What saliency is worth", SALIENCY, WORTH),
        Table(
            "Labels of both rounds, training images", SALIENCY | {"U²-Net, trained four times as long": "long"}, ROUNDS
        ),
        Table("FBR", named("main", "fbr", "fbr | main"), CONTEXT + CLASSIFIED + FINALLY),
        Table("Without saliency: IRN", IRN, WITHOUT),
    ],
    {
        **dict.fromkeys(("no_glore", "main", "fbr", "vgg16"), "cls"),
        **dict.fromkeys(("mild", "strong", "rectangle", "long"), "../main/cls"),
    },
    {f"{folder}, {key}": (folder, key) for folder in sorted({*SCORED}) for key in KEYS}
    | {f"context_{name}, context_at_60": (f"context_{name}", "context_at_60") for name in MAPS.values()},
    seed="the initialisation and the order",
)
