"""Background extraction (BE): OA-CAMs and saliency maps give the initial labels (paper 3.2; OAA, ICCV 2019).

Reads <oa-cam>/<id>_<class>.png and the data set's saliency maps, writes <out>/<id>.png: 0 background, 1..C, 255 ignore.
"""

from functools import partial
from pathlib import Path

import numpy as np

from common.arguments import fraction, whole_number
from common.cli import main, stage_parser
from common.maps import attention_table, look_up, read_maps, require_maps
from common.parallel import add_workers_argument
from data.layout import DataSet
from pseudo.labels import ignore_if_almost_empty, write_labels


def extract_background(saliency, oa_cams, score=0.3, conflict=0.9, attention=0.8, background=32):
    """The initial label of one image (paper 3.2, BE, with the published thresholds).

    saliency: uint8 (H, W), 0 to 255. oa_cams: {0-based class: uint8 (H, W)}; a class without a map gets no score.
    Returns uint8 (H, W): 0 background, class + 1 objects, 255 ignore.
    Raises ValueError if a map does not have the saliency's shape.
    """
    if any(oa_cam.shape != saliency.shape for oa_cam in oa_cams.values()):
        raise ValueError("saliency and OA-CAMs must have the same shape")
    clear = 1 - np.arange(256).astype(np.float32) / 255  # in single precision, as published: ties depend on it
    best = _scores(saliency, clear, score)  # (H, W), of the background first
    label = np.zeros_like(saliency)
    sure = (best > np.float32(conflict)).astype(np.uint8)  # how many classes are, background included
    uncertain = saliency >= background  # background, but conspicuous …
    for cls in sorted(oa_cams):
        table = attention_table(oa_cams[cls])
        scores = _scores(oa_cams[cls], table, score)
        np.copyto(label, np.uint8(cls + 1), where=scores > best)  # the lowest class wins ties
        np.maximum(best, scores, out=best)
        sure += scores > np.float32(conflict)
        uncertain |= look_up(table > attention, oa_cams[cls])  # … or attended
    label[sure > 1] = 255
    label[(label == 0) & uncertain] = 255
    return ignore_if_almost_empty(label)


def _scores(map_, table, threshold):
    """float32 (H, W): what `table` says of each pixel's level, 0 if it is below `threshold`."""
    scores = table.astype(np.float32)
    scores[scores < np.float32(threshold)] = 0
    return look_up(scores, map_)


def parser():
    parser = stage_parser(__doc__)
    parser.add_argument("--oa-cam", type=Path, required=True, help="folder of OA-CAMs (cls.infer)")
    parser.add_argument(
        "--score-threshold", type=fraction, default=0.3, help="T_bg: lower scores, of background too, count as 0"
    )
    parser.add_argument("--conflict-threshold", type=fraction, default=0.9, help="two scores above it: ignore")
    parser.add_argument(
        "--attention-threshold", type=fraction, default=0.8, help="background with an OA-CAM above it: ignore"
    )
    parser.add_argument(
        "--saliency-threshold",
        type=whole_number(0, 255),
        default=32,
        help="background with this much saliency (0..255): ignore",
    )
    add_workers_argument(parser)
    return parser


def make_label(args, dataset, item):
    saliency = dataset.saliency(item.id)
    oa_cams = read_maps(args.oa_cam, item, saliency.shape)
    thresholds = args.score_threshold, args.conflict_threshold, args.attention_threshold, args.saliency_threshold
    return extract_background(saliency, oa_cams, *thresholds)


def run(args):
    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    require_maps(args.oa_cam, items)
    return write_labels(args, partial(make_label, args, dataset), items)


if __name__ == "__main__":
    main(parser(), run)
