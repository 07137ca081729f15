"""Predicts every image of a split with a trained DeepLab-v2, multi-scale, with or without dense CRF (paper 4.1).

Writes <out>/<id>.png, indexed, in the image's size: on training images the input of pseudo.nsrm, on others the result.
The weights say which convention they want their images in, torchvision's or Caffe's (common.preprocess).
"""

from functools import partial
from pathlib import Path

from common.cli import add_device_arguments, main, stage_parser
from common.files import InputError, write_indexed
from common.parallel import for_each
from data.layout import DataSet
from seg.crf import DEFAULTS, dense_crf


def parser():
    parser = stage_parser(__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="of seg.train, or a published DeepLab-v2")
    parser.add_argument("--backbone", choices=["resnet101", "vgg16"], help="checked against the weights, if given")
    parser.add_argument(
        "--pyramid", type=float, nargs="*", help="scales beside 1 at which the network runs (default: as in training)"
    )
    parser.add_argument("--crf", action="store_true", help="dense CRF on the probabilities, as the paper does")
    for name, value in DEFAULTS.items():
        parser.add_argument(
            f"--crf-{name.replace('_', '-')}", type=type(value), default=value, help="of the CRF, as published"
        )
    add_device_arguments(parser)
    return parser


def load_network(args, classes):
    """The multi-scale network of a weight file, ours or published, in eval mode.

    Raises InputError if it is not a DeepLab, or not one of so many foreground classes.
    """
    from common import checkpoint
    from seg.deeplab import MultiScale, build
    from weights.convert import arch_of

    content = checkpoint.load(args.weights)
    arch = arch_of(content)
    if arch is None:
        raise InputError(f"{args.weights}: expected weights of seg.train or a published DeepLab-v2 with ResNet-101")
    if args.backbone and args.backbone != arch["backbone"]:
        raise InputError(f"{args.weights}: expected a {args.backbone}, found a {arch['backbone']}")
    network = build(**arch)
    if arch["classes"] != classes:
        raise InputError(f"{args.weights}: expected the data set's {classes} classes, found {arch['classes']}")
    checkpoint.load_into(network, content, args.weights)
    pyramid = content.get("pyramid", (0.5, 0.75)) if args.pyramid is None else args.pyramid  # published: as published
    return MultiScale(network, pyramid).eval()


def network_outputs(args, network, images):
    """Yields (id, uint8 (H, W, 3) RGB, logits float32 (h, w, C + 1)) for each image: the part that wants the device."""
    import torch

    from common import device as devices

    device = devices.pick(args.device)
    network = devices.place(network, device)
    loader = torch.utils.data.DataLoader(images, batch_size=None, num_workers=args.workers, collate_fn=tuple)
    with torch.inference_mode():
        for id, rgb, image in loader:
            image = image[None].to(device, memory_format=torch.channels_last)
            with devices.autocast(device, args.amp):
                logits = network(image)[0]  # (C + 1, h, w)
            yield id, rgb, logits.float().permute(1, 2, 0).cpu().numpy()


def write_prediction(out, crf, output):
    """Logits to a label in the image's size: the part that wants the cores. `crf`: dense_crf's parameters or None."""
    import cv2
    from scipy.special import softmax

    id, rgb, logits = output
    height, width = rgb.shape[:2]
    logits = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)  # (C + 1, H, W)
    if crf:
        logits = dense_crf(rgb, softmax(logits, axis=0), **crf)
    write_indexed(out / f"{id}.png", logits.argmax(0).astype("uint8"))


def run(args):
    from seg.dataset import WholeImages

    dataset = DataSet(args.data)
    items = dataset.split(args.split)
    network = load_network(args, len(dataset.classes))
    todo = [item for item in items if not (args.out / f"{item.id}.png").exists()]
    images = WholeImages(dataset, todo, network.base.convention)
    crf = {name: getattr(args, f"crf_{name}") for name in DEFAULTS} if args.crf else None
    outputs = network_outputs(args, network, images)
    for _ in for_each(partial(write_prediction, args.out, crf), outputs, args.workers, args.out.name, len(todo)):
        pass
    return f"{len(items)} images{' with CRF' if crf else ''}"


if __name__ == "__main__":
    main(parser(), run)
