"""Background extraction (BE): OA-CAMs and saliency maps give the initial labels (paper 3.2; OAA, ICCV 2019).

Reads <oa-cam>/<id>_<class>.png and the data set's saliency maps, writes <out>/<id>.png: 0 background, 1..C, 255 ignore.
"""

from argparse import ArgumentParser, Namespace

import numpy as np

from common.files.dataset import DataSet, Item
from common.files.label_rules import label_parser, main, runner
from common.files.maps import attention_table, look_up, normalise, read_maps
from stages.arguments import fraction, whole_number


def extract_background_plain(
    saliency: np.ndarray,
    oa_cams: dict[int, np.ndarray],
    score: float = 0.3,
    conflict: float = 0.9,
    attention: float = 0.8,
    background: int = 32,
) -> np.ndarray:
    """The definition of BE (paper 3.2, with the published thresholds); `extract_background` is the fast form of it.

    Arguments and result are those of `extract_background`.
    """
    attentions = [normalise(oa_cams[cls]) for cls in sorted(oa_cams)]  # float64 (H, W) in [0, 1], one a class
    scores = [1 - saliency.astype(np.float32) / 255, *attentions]
    scores = np.stack(scores, dtype=np.float32, casting="same_kind")  # (1 + C', H, W), background first
    scores[scores < np.float32(score)] = 0
    label = np.array([0, *(cls + 1 for cls in sorted(oa_cams))], np.uint8)[scores.argmax(0)]  # the lowest wins ties
    label[(scores > np.float32(conflict)).sum(0) > 1] = 255  # more than one sure class, background included
    uncertain = saliency >= background  # background, but conspicuous …
    for map_ in attentions:
        uncertain |= map_ > attention  # … or attended
    label[(label == 0) & uncertain] = 255
    return ignore_if_almost_empty(label)


def extract_background(
    saliency: np.ndarray,
    oa_cams: dict[int, np.ndarray],
    score: float = 0.3,
    conflict: float = 0.9,
    attention: float = 0.8,
    background: int = 32,
) -> np.ndarray:
    """The initial label of one image, as `extract_background_plain` defines it, several times faster.

    A score depends on a pixel's 8-bit level alone, so it is computed for 256 levels and looked up, class by class.

    saliency: uint8 (H, W), 0 to 255. oa_cams: {0-based class: uint8 (H, W)}; a class without a map gets no score.
    Returns uint8 (H, W): 0 background, class + 1 objects, 255 ignore.
    Raises ValueError if a map does not have the saliency's shape.
    """
    if any(oa_cam.shape != saliency.shape for oa_cam in oa_cams.values()):
        raise ValueError("saliency and OA-CAMs must have the same shape")
    clear = 1 - np.arange(256).astype(np.float32) / 255  # in single precision, as published: ties depend on it
    best = _scores(saliency, clear, score)  # (H, W), running maximum of the scores, of the background first
    label = np.zeros_like(saliency)  # running argmax
    sure = (best > np.float32(conflict)).astype(np.uint8)  # running number of sure classes, background included
    uncertain = saliency >= background
    for cls in sorted(oa_cams):
        table = attention_table(oa_cams[cls])
        scores = _scores(oa_cams[cls], table, score)
        np.copyto(label, np.uint8(cls + 1), where=scores > best)  # a later class does not win ties
        np.maximum(best, scores, out=best)
        sure += scores > np.float32(conflict)
        uncertain |= look_up(table > attention, oa_cams[cls])
    label[sure > 1] = 255
    label[(label == 0) & uncertain] = 255
    return ignore_if_almost_empty(label)


def _scores(map_, table, threshold):
    """The entry of `table` for each pixel's level, 0 where it is below `threshold`: float32 (H, W)."""
    scores = table.astype(np.float32)
    scores[scores < np.float32(threshold)] = 0
    return look_up(scores, map_)


def ignore_if_almost_empty(label: np.ndarray, share: float = 0.01) -> np.ndarray:
    """The 1 % rule: a label (H, W) with objects on less than `share` of all its pixels is 255 everywhere."""
    objects = np.count_nonzero((label > 0) & (label < 255))
    return np.full_like(label, 255) if objects / label.size < share else label


def parser() -> ArgumentParser:
    parser = label_parser(__doc__, oa_cam="folder of OA-CAMs (cls.infer)")
    for name, kind, default, meaning in [
        ("score", fraction, 0.3, "T_bg: lower scores, of background too, count as 0"),
        ("conflict", fraction, 0.9, "two scores above it: ignore"),
        ("attention", fraction, 0.8, "background with an OA-CAM above it: ignore"),
        ("saliency", whole_number(0, 255), 32, "background with this much saliency (0..255): ignore"),
    ]:
        parser.add_argument(f"--{name}-threshold", type=kind, default=default, help=meaning)
    return parser


def make_label(args: Namespace, dataset: DataSet, item: Item) -> np.ndarray:
    """The initial label of an image, from its saliency and the OA-CAMs of its classes."""
    saliency = dataset.saliency(item.id)
    oa_cams = read_maps(args.oa_cam, item, saliency.shape)
    thresholds = args.score_threshold, args.conflict_threshold, args.attention_threshold, args.saliency_threshold
    return extract_background(saliency, oa_cams, *thresholds)


run = runner(make_label, maps=["oa_cam"])

if __name__ == "__main__":
    main(parser(), run, reads=("images", "saliency"))
