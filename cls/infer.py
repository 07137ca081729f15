"""Writes the CAMs of a classifier, or the OA-CAMs of an integral attention model (paper 3.1).

One 8-bit grey map <out>/<id>_<class>.png for each class that the image has, at the network's resolution.
"""

from pathlib import Path

from common import distributed, interruption
from common.arguments import positive_int, whole_number
from common.cli import add_device_arguments, main, stage_parser
from common.files import InputError, is_complete, write_grey
from common.maps import map_path
from common.progress import progress_bar
from data.layout import DataSet


def parser():
    parser = stage_parser(__doc__)
    parser.add_argument(
        "--weights", type=Path, required=True, help="weights.pth of cls.train (CAM) or cls.train_iam (OA-CAM)"
    )
    parser.add_argument("--batch-size", type=positive_int, default=16)
    parser.add_argument("--input-size", type=whole_number(8, 8192), default=256, help="as in training")
    add_device_arguments(parser)
    return parser


def load_network(path):
    """The network of a weight file, in eval mode. Raises InputError if the file does not hold a classifier or an IAM."""
    from cls.model import build
    from common import checkpoint

    content = checkpoint.load(path)
    if "arch" not in content or "network" not in content["arch"]:
        raise InputError(f"{path}: expected weights of cls.train or cls.train_iam")
    network = build(**content["arch"])
    checkpoint.load_into(network, content, path)
    return network.eval()


def scaled(map_):
    """A class map as it is stored: rectified, its maximum at 255, truncated. float (h, w) -> uint8 (h, w)."""
    map_ = map_.relu()
    return (map_ / (map_.max() + 1e-8) * 255).byte().numpy()


def run(args):
    import torch

    from cls.dataset import InferenceImages
    from common import device as devices
    from common.loading import make_loader
    from common.preprocess import normalise

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    share = distributed.shard(items)
    done = [all(is_complete(map_path(args.out, item.id, cls)) for cls in item.classes) for item in share]
    # those of an undisturbed run, of which one is done again if it lacks a map: rounding depends on the batch
    batches = [
        range(start, min(start + args.batch_size, len(share))) for start in range(0, len(share), args.batch_size)
    ]
    batches = [batch for batch in batches if not all(done[index] for index in batch)]
    device = devices.pick(args.device, args.deterministic, args.tf32)
    network = devices.place(load_network(args.weights), device)
    loader = make_loader(InferenceImages(dataset, share, args.input_size), batches, args.workers, device)

    def started():
        for batch in loader:
            with torch.inference_mode(), devices.autocast(device, args.amp):
                images = batch["image"].to(device, non_blocking=True)
                maps = network(normalise(images, "torchvision"))
            yield batch["index"].tolist(), maps.float()

    with interruption.deferred(), progress_bar(args.out.name, sum(map(len, batches))) as bar:
        for indices, batch_maps in devices.one_behind(started()):
            for index, image_maps in zip(indices, batch_maps):  # (C, h, w)
                for cls in share[index].classes:
                    write_grey(map_path(args.out, share[index].id, cls), scaled(image_maps[cls]))
            bar.update(len(indices))
            interruption.check()
    return f"{len(items)} images, {sum(len(item.classes) for item in items)} maps"


if __name__ == "__main__":
    main(parser(), run)
