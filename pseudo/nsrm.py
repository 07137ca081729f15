"""Non-salient region masking (NSRM): first-round predictions become the labels of the second round (paper 3.3, Fig. 3).

Reads predictions of the training images, pseudo labels and saliency maps, writes the masked labels <out>/<id>.png.
Complex images (two or more classes) are masked, simple ones keep their prediction. The options are the rows of Table 4.
"""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace

import cv2
import numpy as np

from common.files.dataset import DataSet, Item
from common.files.label_rules import label_parser, main, runner
from pseudo.background import ignore_if_almost_empty
from stages.arguments import whole_number


def mask_non_salient(
    prediction: np.ndarray,
    label: np.ndarray,
    saliency: np.ndarray | None = None,
    kernel_size: int = 30,
    expansion: bool = True,
    masking: bool = True,
    dilation: bool = True,
    salient_above: int = 0,
) -> np.ndarray:
    """The masked label of one complex image (paper 3.3).

    prediction: uint8 (H, W), 0 to C. label: uint8 (H, W), the pseudo label, with 255 for ignore.
    saliency: uint8 (H, W), or None to leave it out, as the paper does; the published code has it in the mask.
    kernel_size: side of the square that dilates the mask, in pixels (r of Fig. 6).
    salient_above: 0 to 254; a pixel is salient if its saliency exceeds it. The published code's is 0.
    Returns uint8 (H, W): the expanded prediction, 255 outside the dilated mask.
    Raises ValueError if the shapes differ.
    """
    if prediction.shape != label.shape or (saliency is not None and saliency.shape != label.shape):
        raise ValueError("prediction, label and saliency must have the same shape")
    expanded = prediction.copy()
    if expansion:
        np.copyto(expanded, label, where=(prediction == 0) & (label > 0) & (label < 255))
    if masking:
        mask = expanded != 0
        if saliency is not None:
            mask |= saliency > salient_above
        if dilation:
            mask = cv2.dilate(mask.astype(np.uint8), np.ones((kernel_size, kernel_size), np.uint8)) != 0
        expanded[~mask] = 255
    return ignore_if_almost_empty(expanded)


def parser() -> ArgumentParser:
    parser = label_parser(
        __doc__, pred="folder of first-round predictions (seg.predict)", label="folder of pseudo labels (pseudo.pom)"
    )
    side = "r, side of the dilation's square in pixels (Fig. 6)"
    parser.add_argument("--kernel-size", type=whole_number(1, 1000), default=30, help=side)
    for name, meaning in [
        ("expansion", "add the pseudo label's objects where the prediction is background"),
        ("masking", "ignore what lies outside the object mask"),
        ("dilation", "dilate the object mask"),
        ("saliency-mask", "count salient pixels as part of the object mask (published code; not in the paper)"),
    ]:
        parser.add_argument(f"--{name}", action=BooleanOptionalAction, default=True, help=meaning)
    level = (
        "a pixel is salient if its map exceeds N (0 to 254); 0: published, for maps with true zeros (docs/saliency.md)"
    )
    parser.add_argument("--salient-above", type=whole_number(0, 254), default=0, metavar="N", help=level)
    source = "what a simple image's label is; label: its pseudo label, where that is better (docs/real.md)"
    parser.add_argument("--simple-from", choices=["prediction", "label"], default="prediction", help=source)
    parser.add_argument("--all-images", action="store_true", help="mask simple images too (Table 4, 'NSRM all')")
    return parser


def make_label(args: Namespace, dataset: DataSet, item: Item) -> np.ndarray:
    """The masked label of a complex image; of a simple one the prediction, but with --simple-from or --all-images."""
    folders = {"prediction": args.pred, "label": args.label}
    if len(item.classes) < 2 and not args.all_images:
        return dataset.checked_label(folders[args.simple_from] / f"{item.id}.png", item.id)
    prediction, label = (dataset.checked_label(folder / f"{item.id}.png", item.id) for folder in folders.values())
    saliency = dataset.saliency(item.id) if args.saliency_mask else None
    parts = args.expansion, args.masking, args.dilation
    return mask_non_salient(prediction, label, saliency, args.kernel_size, *parts, args.salient_above)


run = runner(make_label)

if __name__ == "__main__":
    main(parser(), run, reads=("images", "saliency"))
