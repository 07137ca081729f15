"""The gain of each part of FBR on toy data whose objects come with a context."""

from pathlib import Path

from report.run.reading import read_curves
from report.studies.study import LABELS, Study, Table, named
from stages.files import read_json

ROWS = """ce null similarity_segmentation published shared_cam shared_refined shared_saliency shared_truth none_cam
none_refined none_saliency none_truth shared_linear intra all all_again all_saliency cut random one_centre""".split()
SWEEPS = """bank_size_500 bank_size_2000 bank_size_20000 centres_2 centres_4 centres_8 centres_16 centres_32
nroi_weight_0.02 nroi_weight_0.05 nroi_weight_0.1 nroi_weight_0.2 temperature_0.07 temperature_0.1
temperature_0.5""".split()
CENTRE = "bank_size_2000 centres_8 nroi_weight_0.05 temperature_0.1".split()  # of the sweeps: the row none_refined
PARTS = ["intra | ce", "all | none_refined", "all_saliency | shared_saliency", "shared_refined | none_refined"]
PARTS += ["shared_linear | shared_refined"]
CONTROLS = ["null | ce", "cut | ce", "all_again | all", "random | none_refined", "one_centre | none_refined"]
WEIGHTS = ("nroi_weight", "intra_weight", "similarity_weight", "segmentation_weight")
ARGUMENTS = ("heads", "labels", "background", "temperature", *WEIGHTS)
SHARES = ("hard pixels on objects", "hard pixels on context", "prototypes on objects", "prototypes on context")
INSIDE = (*(f"share/{name}" for name in (*SHARES, "context as background")), "gradient ratio")  # scalars of --diagnose
MAPS = {  # heading: score
    "mIoU, best threshold": "best",
    "mIoU, threshold 0.5": "fixed",
    "context at 60 %": "context_at_60",
    "AUC": "auc",
}
WHOLE = {"initial label": "label_initial", "pseudo label": "label_pseudo", "val": "pred2_val"}
SCORED = (  # of maps: score, beginning of the folder that scores.json is in, keys there
    ("best", "", "mean_iou"),
    ("fixed", "", "fixed, mean_iou"),
    ("context_at_60", "context_", "context_at_60"),
    ("auc", "context_", "auc"),
)


def prepare(lines: list[dict]) -> list[dict]:
    """The lines, and where the sweeps were run, none_refined among them under the names of CENTRE."""
    seeds = {line["seed"] for line in lines if line["row"].startswith("sweep_")}
    centre = [line for line in lines if line["row"] == "none_refined" and line["seed"] in seeds]
    return lines + [line | {"row": f"sweep_{name}"} for line in centre for name in CENTRE]


def more(row: Path) -> dict:
    """The arguments of a row's training and, if it logged them, means of INSIDE over its second half."""
    told = read_json(row / "cls/stage.json")["arguments"]
    line = {f"arguments, {key}": told[key] for key in ARGUMENTS if key in told}
    for name, points in read_curves(row / "cls").items():
        if name in INSIDE:
            half = [value for _, value in points[len(points) // 2 :]]
            line[f"inside, {name}"] = round(sum(half) / len(half) * (100 if name.startswith("share/") else 1), 4)
    return line


def against(other: str, scores: dict[str, str]) -> list[tuple[str, str]]:
    """Columns of scores {heading: score}, each beside its difference to another row."""
    cells = {"{row}": "", f"{{row}} | {other}": f"to `{other}`"}
    return [(title or heading, f"{row}; {score}") for heading, score in scores.items() for row, title in cells.items()]


def of(part: str, scores: dict[str, str]) -> dict[str, str]:
    return {heading: f"{part}, {score}" for heading, score in scores.items()}


SETTINGS = [(name, f"{{row}}; arguments, {name}") for name in ARGUMENTS]
LOGGED = [(name.removeprefix("share/"), f"{{row}}; inside, {name}") for name in INSIDE]
SWEPT = {"mIoU, raw": "cam, best", "mIoU, refined": "cam_refined, best", "context, raw": "cam, context_at_60"}
BOTH = SWEPT | {"context, refined": "cam_refined, context_at_60"}
PAIRED = [(heading, f"{{row}}; {score}") for heading, score in BOTH.items()]
STUDY = Study(
    "FBR on the toy data: tables",
    "scripts/study/fbr.sh",
    "docs/fbr.md says what rows and columns are.",
    [
        Table("The rows", named(*ROWS), SETTINGS),
        Table("CAMs", named(*ROWS), against("ce", of("cam", MAPS)), picture="differences.png", plotted=(1, 5)),
        Table("Refined CAMs", named(*ROWS), against("ce", of("cam_refined", MAPS))),
        Table("The initial label from the CAMs", named(*ROWS), against("ce", of("label_cam", LABELS))),
        Table("Where hard pixels and prototypes lie", named(*ROWS), LOGGED),
        Table("Parts", named(*PARTS), PAIRED),
        Table("Controls", named(*CONTROLS), PAIRED),
        Table(
            "The whole method", named(*ROWS), against("ce", {key: f"{part}, mean_iou" for key, part in WHOLE.items()})
        ),
        Table("Sweeps", {f"`{name}`": f"sweep_{name}" for name in SWEEPS}, against("none_refined", SWEPT)),
        Table("What changes in single images", picture="maps.png"),
    ],
    dict.fromkeys([*ROWS, *(f"sweep_{name}" for name in SWEEPS)], "cls"),
    {f"{maps}, {name}": (f"{folder}{maps}", keys) for maps in ("cam", "cam_refined") for name, folder, keys in SCORED}
    | {f"{name}, {score}": (name, score) for name in ("label_cam", *WHOLE.values()) for score in LABELS.values()},
    more,
    prepare,
)
