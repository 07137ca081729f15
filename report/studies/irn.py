"""The value of saliency with and without FBR: labels of BE, POM and NSRM against IRN's, and AP of instances."""

from report.studies.study import LABELS, Study, Table, named

FOLDERS = {"saliency": "", "image_level": "image_level/"}  # part of a line: where it lies below a row
SETS = {  # heading: labels
    "with saliency: initial labels": "saliency, label_initial",
    "with saliency: pseudo labels": "saliency, label_pseudo",
    "with saliency: masked labels": "saliency, label_masked",
    "without: CAMs": "image_level, cam_pyramid",
    "without: seeds": "image_level, label_seed",
    "without: IRN's labels": "image_level, label_irn",
    "without: masked labels": "image_level, label_masked",
}
ROUNDS = {  # heading: labels without saliency, labels with it
    "First round: IRN's and pseudo labels": ("label_irn", "label_pseudo"),
    "Second round: masked labels": ("label_masked", "label_masked"),
}
PLAIN = {"CAMs": ("cam_pyramid", "cam"), "Seeds and initial labels": ("label_seed", "label_initial")}
PLAIN |= ROUNDS | {f"{round} round: predictions": (f"pred{n}_val",) * 2 for n, round in ((1, "First"), (2, "Second"))}
THRESHOLDS = ("0.25", "0.5", "0.7", "0.75")  # of the IoU of masks, for AP
BOTH = ["ce", "fbr", "fbr | ce"]


def worth(row: str, saliency: str, image_level: str) -> list[tuple[str, str]]:
    """The mIoU of labels or predictions with saliency and without it, and the difference."""
    parts = f"saliency, {saliency}, mean_iou", f"image_level, {image_level}, mean_iou"
    headings = {"with saliency": parts[0], "without": parts[1], "with - without": " | ".join(parts)}
    return [(heading, f"{row}; {scores}") for heading, scores in headings.items()]


CHANGED = [
    (f"{heading}, {label}", f"{row}; {{row}}, {score}")
    for heading, score in LABELS.items()
    for label, row in named(*BOTH).items()
]
WITHOUT = [
    (f"{heading}, `{row}`", f"{row}; image_level, {{row[0]}}, {score} | saliency, {{row[1]}}, {score}")
    for heading, score in LABELS.items()
    for row in ("ce", "fbr")
]
AP = [(f"AP at {each}", f"{{row}}; ap, {each}") for each in THRESHOLDS]
SCORED = {*SETS.values(), *(f"{part}, {name}" for part in FOLDERS for name in ("pred1_val", "pred2_val"))}
STUDY = Study(
    "Labels without saliency and instances: tables",
    "scripts/study/irn.sh",
    "docs/irn.md says what rows and columns are.",
    [
        Table("Labels", SETS, CHANGED),
        Table("Labels without saliency minus those with it", ROUNDS, WITHOUT),
        Table("First round: predictions", named(*BOTH), worth("{row}", "pred1_val", "pred1_val")),
        Table(
            "Second round: predictions",
            named(*BOTH),
            worth("{row}", "pred2_val", "pred2_val"),
            picture="differences.png",
            plotted=(2,),
        ),
        Table("Without context: mIoU of `plain`", PLAIN, worth("plain", "{row[1]}", "{row[0]}")),
        Table(
            "Instances", named("ce", "fbr", "truth", "plain", "fbr | ce", "truth | fbr"), AP, picture="instances.png"
        ),
    ],
    {"ce": "cls", "fbr": "cls", "truth": "image_level/irn", "plain": "cls"},
    {
        f"{labels}, {score}": (FOLDERS[labels.split(", ")[0]] + labels.split(", ")[1], score)
        for labels in sorted(SCORED)
        for score in LABELS.values()
    }
    | {f"ap, {each}": ("image_level/instances", f"mean_ap, {each}") for each in THRESHOLDS},
)
