"""AMN with and without FBR's losses, where FBR was published (setting I): seeds, IRN's masks, val and instances."""

from report.studies.study import LABELS, Study, Table

WAYS = {"CAMs": "amn", "AMN": "amn/plain", "AMN + FBR": "amn/fbr", "FBR adds": "amn/fbr | amn/plain"}
MAPS = {"CAMs, scales and flips": "cam_pyramid", "AMN's maps": "amn_cam"}
ROWS = {f"{name}, best threshold": f"image_level/{folder}, mean_iou" for name, folder in MAPS.items()}
ROWS |= {f"seeds, {score}": f"image_level/label_seed, {key}" for score, key in LABELS.items()}
for name, folder in {"masks of IRN": "label_irn", "val": "pred1_val"}.items():  # these ignore nothing
    ROWS |= {f"{name}, {score}": f"image_level/{folder}, {LABELS[score]}" for score in ("mIoU", "missed")}
AP = {f"AP at {each}": f"ap, {each}" for each in ("0.25", "0.5", "0.7", "0.75")}
STUDY = Study(
    "FBR on AMN: tables",
    "scripts/study/amn.sh",
    "docs/fbr.md says what rows and columns are. All but val: training images. Seeds are scored on what they decide.",
    [Table("From seeds to val", ROWS | AP, [(way, f"{row}; {{row}}") for way, row in WAYS.items()])],
    {"amn": "cls", "amn/plain": "image_level/irn", "amn/fbr": "image_level/irn"},
    {cell: tuple(cell.rsplit(", ", 1)) for cell in ROWS.values()}
    | {key: ("image_level/instances", f"mean_ap, {key.removeprefix('ap, ')}") for key in AP.values()},
)
