"""NSRM and the scores a second time, plainly, with NumPy, Pillow and OpenCV alone (paper 3.3, 4.2).

Of BE and POM the project has plain forms itself, which tests/pseudo holds to the published code.
"""

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image


def read(path):
    return np.array(Image.open(path))


def read_maps(folder, id, classes, size):
    """{class: uint8 (H, W)}, bicubic on the 8-bit values, without those that have no file."""
    paths = {cls: folder / f"{id}_{cls}.png" for cls in classes}
    resized = lambda map_: cv2.resize(map_, size[::-1], interpolation=cv2.INTER_CUBIC)  # noqa: E731
    return {cls: resized(read(path)) for cls, path in paths.items() if path.exists()}


def spread(map_):
    low, high = float(map_.min()), float(map_.max())
    return (map_ - low) / (high - low + 1e-8)


def one_percent(label):
    return label if ((label > 0) & (label < 255)).mean() >= 0.01 else np.full_like(label, 255)


def masking(prediction, label, saliency, kernel=30, expand=True, mask=True, dilate=True, above=0):
    """NSRM of one complex image; without `saliency`, as the paper."""
    label_is_object = (label != 0) & (label != 255)
    expanded = np.where((prediction == 0) & label_is_object & expand, label, prediction)
    kept = (expanded != 0) | (saliency > above if saliency is not None else False)
    if dilate:  # each pixel looks at the square that begins kernel // 2 before it
        padded = np.pad(kept, (kernel // 2, kernel - 1 - kernel // 2))
        kept = sliding_window_view(padded, (kernel, kernel)).any((2, 3))
    return one_percent(np.where(kept | (not mask), expanded, 255).astype(np.uint8))


def from_maps(maps, size, threshold):
    """The class of the strongest map above the threshold, else 0."""
    label, best = np.zeros(size, np.uint8), np.full(size, threshold)
    for cls in sorted(maps):
        share = spread(maps[cls])
        label[share > best] = cls + 1
        best = np.maximum(best, share)
    return label


def percent(value):
    return round(100 * float(value), 2)


def scores(truths, labels, names):
    """What scores.json says of two lists of labels, in percent."""
    truth, label = (np.concatenate([each.ravel() for each in images]) for images in (truths, labels))
    truth, label = truth[truth != 255], label[truth != 255]
    missed = ((truth > 0) & (label == 0)).sum() / (truth > 0).sum()
    ignored = (label == 255).mean()
    truth, label = truth[label != 255], label[label != 255]
    count = range(len(names) + 1)
    iou = [((truth == c) & (label == c)).sum() / max(1, ((truth == c) | (label == c)).sum()) for c in count]
    recall = [(label[truth == c] == c).mean() if c in truth else None for c in count]
    present = [c for c in count if c in truth]
    return {
        "mean_iou": percent(np.mean([iou[c] for c in present])),
        "pixel_accuracy": percent((truth == label).mean()),
        "mean_accuracy": percent(np.mean([recall[c] for c in present])),
        "fw_iou": percent(sum((truth == c).mean() * iou[c] for c in present)),
        "ignored": percent(ignored),
        "false_negative": percent(missed),
        "class_iou": {name: percent(iou[c]) for c, name in enumerate(["background", *names])},
    }
