"""What each reader says of a file that it cannot use: an InputError of one line that names the file.

A reader is the public function that a command reads a kind of file with; each meets all that such a file may hold.
"""

import io
import json

import numpy as np
import pytest
import torch

from cls.infer import load_network as load_classifier
from cls.model import build as build_classifier
from common.files import images
from common.files.dataset import DataSet
from common.files.npy_maps import read_npy
from common.training import checkpoint
from data import prepare_voc12
from evaluate.scores import read_scores
from report.studies import collect, study
from seg.deeplab import MultiScale
from seg.deeplab import build as build_deeplab
from seg.inference import load_deeplab
from seg.pretrained import load_init
from stages.files import InputError
from tests import damage

GONE = [(("remove",), "no such file"), (("link",), "no such file")]
UNREADABLE = [(("remove",), "cannot be read"), (("folder",), "cannot be read"), (("link",), "cannot be read")]
BINARY = [(("write", b"\xff\xfe\x00\x81"), "expected UTF-8 text")]
NO_IMAGE = "expected a complete image, PNG or JPEG"
NO_PICTURE = [
    *GONE,
    (("folder",), NO_IMAGE),
    (("truncate",), NO_IMAGE),
    *((("write", content), NO_IMAGE) for content in (b"", b"not an image", bytes(4096), b"\xff\xd8\xff")),
    *((("image", "P", (64, 48), kind), NO_IMAGE) for kind in ("GIF", "BMP", "TIFF")),
    (("image", "RGB", (64, 48), "EPS"), NO_IMAGE),
    *((("bomb", side), "expected at most 67108864 pixels") for side in (60000, 12000, 8193)),
]
SIZE = ("label", 1, (48, 63)), "expected the image's size 64x48, found 63x48"


def line(text, message):
    return ("write", text), message


LISTS = [
    *UNREADABLE,
    *BINARY,
    line("", "expected at least one image"),
    line(" \n\t\n", "expected at least one image"),
    line("a_simple 0\na_simple 0\n", "line 2: a_simple stands in the list twice"),
    line("nobody 0\n", "nobody.jpg: no such file"),
    line("a_simple\n", "line 1: expected at least one class of a_simple"),
    *(line(f"{id} 0\n", "line 1: expected an id") for id in ["../a_simple", "/etc/passwd", "..", "a\\b", "a\0b"]),
    *(line(f"{id} 0\n", "line 1: expected an id") for id in ["--force", "a" * 300]),
    *(
        line(f"a_simple {text}\n", "expected classes from 0 to 2, found '")
        for text in ["3", "-1", "9" * 5000, "disc", "١", "0x1", "1.0"]
    ),
]
VOC_LISTS = [
    *UNREADABLE,
    *BINARY,
    line("", "expected at least one id"),
    line("2007_000001\n2007_000001\n", "2007_000001 stands in the list twice"),
    *(line(f"{id}\n", "expected one id a line") for id in ["../x", "/etc/passwd", "a" * 300, "a 0"]),
]
CLASSES = [
    *UNREADABLE,
    *BINARY,
    line("", "expected 1 to 254 class names"),
    line("disc\ndisc\n", "expected every class name once"),
    line("\n".join(map(str, range(255))), "found 255"),
]
IMAGES = [*NO_PICTURE, (("image", "I;16", (64, 48), "PNG"), "expected 8 bits a channel, found mode I;16")]
GREY = [
    *NO_PICTURE,
    *((("image", mode), f"expected an 8-bit grey image, found mode {mode}") for mode in ("RGB", "I;16", "P")),
]
LABELS = [
    *NO_PICTURE,
    *((("image", mode), f"expected an indexed (palette) PNG, found mode {mode}") for mode in ("RGB", "L", "I;16")),
    (("bomb", 60000, 3), "expected at most 67108864 pixels"),
    (("label", 4), "expected values 0 to 3 and 255, found 4"),
    (("label", 254), "expected values 0 to 3 and 255, found 254"),
    SIZE,
]
SALIENCIES = [*GREY, (("image", "L", (63, 48)), "expected the image's size 64x48, found 63x48")]
ANNOTATIONS = [
    *GONE,
    *((fault, "expected a VOC annotation") for fault in [("truncate",), ("folder",), ("write", b"\xff\xd8\x00")]),
    line("<annotation></annotation>", "expected at least one <object>"),
    (("replace", "dog", "yeti"), "expected the classes of VOC 2012, found 'yeti'"),
]
NO_SCORES = "expected the scores of evaluate.labels"
SCORES = [
    *UNREADABLE,
    *(line(text, "expected JSON") for text in [b"\xff\xfe", "", "[" * 10**6, '{"mean_iou": 5']),
    *(line(text, NO_SCORES) for text in ["7", "[1]", "{}", '{"mean_iou": "high"}', '{"mean_iou": 1}']),
    (("replace", '"simple": {"mean_iou": 50.0', '"simple": {"mean_iou": ""'), NO_SCORES),
]
TABLES = [
    *UNREADABLE[1:2],
    line(b"\x00\xff", "expected JSON"),
    *(line(text, "expected the rows that report.tables.table writes") for text in ["7", "[{}]", '{"row": 1}']),
    (("replace", "67.7", "many"), "expected the rows that report.tables.table writes"),
]
LINES = [
    *UNREADABLE,
    *(
        line(text, "line 1: expected a line of report.studies.collect")
        for text in [b"\xff", '{"row"', "[" * 10**6, '{"row": "ce"}\n', "7\n", "[]\n"]
    ),
    *(
        (("replace", *change), "line 1: expected a line of report.studies.collect")
        for change in [('"baseline"', "[]"), ('"seed": 1', '"seed": "1"')]
    ),
]


# Weight files


class Evil:
    """A pickle of it calls print when it is read, if anything is."""

    def __reduce__(self):
        return print, ("evil",)


def content(change):
    """A damage: the file holds what `change` makes of its content."""
    return "weight_file", change


def arch(**changes):
    """A damage: other values in the file's arch; those that are `...` are taken away."""
    return content(
        lambda c: {**c, "arch": {k: v for k, v in {**c["arch"], **changes}.items() if v is not ...}},
    )


def tensor(change):
    """A damage: the first tensor of the file is what `change(tensor)` returns."""

    def apply(c):
        name = next(iter(c["state_dict"]))
        return {**c, "state_dict": {**c["state_dict"], name: change(c["state_dict"][name])}}

    return content(apply)


def with_first(value):
    return tensor(lambda t: torch.cat([torch.tensor([value]), t.flatten()[1:]]).reshape(t.shape))


NOT_WEIGHTS = [
    *UNREADABLE,
    *(
        (fault, "expected a PyTorch weight file")
        for fault in [
            ("truncate",),
            ("write", "<html>moved</html>"),
            ("write", ""),
            ("write", b"\x80\x02\x8a"),  # how files of old PyTorch begin
            content(lambda _: Evil()),
            content(lambda _: {"state_dict": Evil()}),
        ]
    ),
    *(
        (content(lambda _, found=found: found), "expected a dictionary of tensors")
        for found in ([1], torch.ones(2), {"state_dict": [1]})
    ),
    *(
        (with_first(float(text)), "expected finite numbers, found NaN or infinity in ")
        for text in ("nan", "inf", "-inf")
    ),
    (tensor(lambda t: t.to_sparse()), "expected plain tensors, "),
    (tensor(lambda t: torch.zeros(1).expand(10**12)), "expected plain tensors, "),  # larger than the file
]
SIZES = [
    *((arch(classes=value), "classes") for value in (..., "3", 0, 3.0, True, None)),
    *((arch(channels=value), "arch.channels 1 to 16 whole numbers") for value in (4, [], [10**9] * 5, "44444", None)),
    (arch(depths=torch.ones(5)), "arch.depths 1 to 16 whole numbers"),
    (arch(depths=[1, 1, 1, 1, -1]), "arch.depths 1 to 16 whole numbers"),
    (arch(output_stride=5), "arch.output_stride 8 or 4"),
    (arch(batch_norm="no"), "arch.batch_norm true or false"),
    (arch(class_names=[1, 2, 3]), "arch.class_names up to 254 names"),
    (arch(class_names="disc"), "arch.class_names up to 254 names"),
    (arch(unheard_of=3), "found 'unheard_of'"),
    (arch(**{"two\nlines": 3}), "lines"),
]
ANOTHER = "expected weights of another architecture"
CLASSIFIERS = [
    *NOT_WEIGHTS,
    *SIZES,
    (content(lambda c: {**c, "arch": 5}), "expected"),
    (content(lambda _: {"arch": {"backbone": "vgg16", "classes": 3}}), "expected weights of cls.train"),
    *((arch(network=value), "expected as its arch.network ") for value in ("yeti", ["iam"], None, 3)),
    (arch(nodes=-1), "arch.nodes a whole number"),
    (arch(input_size="64"), "arch.input_size a whole number"),
    (arch(glore=1), "arch.glore true or false"),
    (arch(nodes=3), ANOTHER),
    (content(lambda c: {**c, "state_dict": {"a": 1}}), ANOTHER),
]
DEEPLABS = [
    *SIZES,
    *((arch(backbone=value), "expected as its arch.backbone ") for value in ("yeti", ["vgg16"], None, 3)),
    (arch(rates=[0]), "arch.rates 1 to 16 whole numbers"),
    (arch(convention="yeti"), "arch.convention torchvision or caffe"),
    (arch(fc_channels=-1), "arch.fc_channels a whole number"),
    (arch(fc_channels=5), ANOTHER),
]
PREDICTORS = [
    *NOT_WEIGHTS,
    *DEEPLABS,
    (content(lambda c: {**c, "arch": "backbone"}), "expected"),
    (content(lambda _: {"arch": {"network": "iam", "classes": 3}}), "expected weights of seg.train"),
    (content(lambda c: {**c, "state_dict": {"a": 1}}), ANOTHER),
    (arch(classes=4), "expected the data set's 3 classes, found 4"),
    *(
        (content(lambda c, value=value: {**c, "pyramid": value}), "expected as its pyramid up to 16 numbers")
        for value in ("0.5", [0], 1, [float("nan")])
    ),
]
TRUNKS = [*NOT_WEIGHTS, (tensor(lambda t: t[:2]), "expected a backbone of this size: features.0.weight")]
INITS = [
    *NOT_WEIGHTS,
    (content(lambda _: {1: torch.ones(1)}), "expected weights of"),
    (tensor(lambda t: t[:2]), ANOTHER),
    (arch(convention="caffe"), "expected weights of the torchvision convention, found caffe"),
]
NO_MAPS = "expected a pickled dictionary with the keys"


def pickled(content):
    """A damage: NumPy's file of this object."""
    file = io.BytesIO()
    np.save(file, np.array(content, dtype=object) if not isinstance(content, np.ndarray) else content)
    return "write", file.getvalue()


NPY_MAPS = [
    *UNREADABLE,
    (("truncate",), NO_MAPS),
    (("write", b"no map"), NO_MAPS),
    (pickled(np.zeros((2, 3))), NO_MAPS),
    (pickled(Evil()), "it would call builtins.print"),
    (pickled({"keys": [0], "cam": Evil()}), "it would call builtins.print"),
    (pickled({"keys": [0], "cam": torch.zeros(1).expand(3, 10**6, 10**6), "high_res": 0}), "larger than its numbers"),
    (pickled({"keys": [0, 1], "cam": np.ones((2, 3, 4)), "high_res": np.ones((1, 3, 4))}), "1 maps of 2 classes"),
    (pickled({"keys": [0], "cam": np.ones((1, 3, 4))}), NO_MAPS),
    (pickled({"disc": np.ones((3, 4))}), NO_MAPS),
    *((pickled({0: values}), "numbers up to 1") for values in (np.ones(3), np.full((3, 4), 2), np.zeros((0, 4)))),
    (pickled({0: np.full((3, 4), np.nan)}), "numbers up to 1"),
]
WIDTH = {"classes": 3, "channels": [4] * 5, "depths": [1] * 5}
CLASSIFIER = {"network": "classifier", **WIDTH, "nodes": 2}
DEEPLAB = {"backbone": "vgg16", **WIDTH, "fc_channels": 4, "rates": [1]}


def predictor(path):
    return load_deeplab(path, classes=3)[0]


def start_classifier(path):
    checkpoint.load_backbone(build_classifier(**CLASSIFIER), checkpoint.load(path), path)


def put_weights(path):
    torch.manual_seed(0)
    if path.name == "cls.pth":
        checkpoint.save(path, arch=CLASSIFIER, state_dict=build_classifier(**CLASSIFIER).state_dict())
    else:
        network = MultiScale(build_deeplab(**DEEPLAB))
        checkpoint.save(path, arch=DEEPLAB, pyramid=[0.5], state_dict=network.state_dict())


def put_record(path):
    if path.suffix == ".npy":
        path.write_bytes(pickled({0: np.zeros((3, 4))})[1])
        return
    scores = {"mean_iou": 50.0, "ignored": 1.0, "false_negative": 2.0}
    row = {"row": "baseline", "paper": "67.7", "folder": "pred1_val"}
    line = {"setting": "ablation", "table": "table3", "row": "baseline", "paper": 67.7, "seed": 1}
    line |= {"commit": None, "torch": "2", "machine": "M"}
    contents = {"scores.json": scores | {"simple": scores, "complex": scores}, "table3.json": [row]}
    path.write_text(json.dumps(contents.get(path.name, line | scores)) + "\n")


def tiny(path):
    """The data set of the test that a path lies in."""
    return DataSet(next(folder for folder in path.parents if folder.name == "tiny"))


READERS = {  # name: (the file, the reader, [(what is done to the file, message)])
    "list": ("tiny/lists/train.txt", lambda path: tiny(path).split("train", labelled=True), LISTS),
    "classes.txt": ("tiny/classes.txt", tiny, CLASSES),
    "image": ("tiny/JPEGImages/a_simple.jpg", images.read_rgb, IMAGES),
    "image's size": ("tiny/JPEGImages/a_simple.jpg", images.image_size, [*GONE, *NO_PICTURE[-3:]]),
    "map": ("tiny/saliency/a_simple.png", images.read_grey, GREY),
    "maps of irn": ("a_simple.npy", read_npy, NPY_MAPS),
    "saliency": ("tiny/saliency/a_simple.png", lambda path: tiny(path).saliency("a_simple"), SALIENCIES),
    "label": ("tiny/SegmentationClass/a_simple.png", lambda path: tiny(path).ground_truth("a_simple"), LABELS),
    "VOC's list": ("sbd/train.txt", prepare_voc12.read_ids, VOC_LISTS),
    "VOC's annotation": ("VOCdevkit/VOC2012/Annotations/2007_000001.xml", prepare_voc12.objects_in_xml, ANNOTATIONS),
    "classifier": ("cls.pth", load_classifier, CLASSIFIERS),
    "DeepLab": ("seg.pth", predictor, PREDICTORS),
    "trunk": ("cls.pth", start_classifier, TRUNKS),
    "start of a DeepLab": ("seg.pth", lambda path: load_init(build_deeplab(**DEEPLAB), path), INITS),
    "scores": ("scores.json", lambda path: read_scores(path), SCORES),
    "table": ("table3.json", collect.table_rows, TABLES),
    "lines of runs": ("lines.jsonl", lambda path: study.read_lines([path]), LINES),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*:PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_cannot_be_used_is_named_in_one_line(tiny_data, tiny_devkit, tmp_path, name):
    path, read, cases = READERS[name]
    path = tmp_path / path
    if not path.exists():
        put_weights(path) if path.suffix == ".pth" else put_record(path)
    read(path)
    whole, faults = path.read_bytes(), []
    for (action, *rest), message in cases:
        getattr(damage, action)(path, *rest)
        try:
            read(path)
            faults.append(f"{action} {rest}: nothing said, expected {message}")
        except InputError as error:
            said = str(error)
            if message not in said or len(said.splitlines()) > 1 or not (path.name in said or "nobody.jpg" in said):
                faults.append(f"{action} {rest}: {said!r:.300}, expected {message!r}")
        except Exception as error:
            faults.append(f"{action} {rest}: {error!r:.300}, expected {message!r}")
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            damage.remove(path)
        path.write_bytes(whole)
    assert not faults, "\n".join(faults)
