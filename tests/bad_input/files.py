"""Bad weights and records of runs: (kind, case, command, what is done to which file, arguments, message)."""

import torch


class Evil:
    """A pickle of it calls print when it is read, if anything is."""

    def __reduce__(self):
        return print, ("evil",)


def arch(**changes):
    """A change of the content of a weight file: other values in its arch; those that are `lacking` are taken away."""

    def change(content):
        changed = {**content["arch"], **changes}
        return {**content, "arch": {name: value for name, value in changed.items() if value != "lacking"}}

    return change


def tensors(change):
    """A change of the content of a weight file: its first tensor of several numbers is what `change(tensor)` returns."""

    def apply(content):
        name = next(iter(content["state_dict"]))
        return {**content, "state_dict": {**content["state_dict"], name: change(content["state_dict"][name])}}

    return apply


def with_first(value):
    def change(tensor):
        tensor = tensor.clone()
        tensor.view(-1)[0] = value
        return tensor

    return tensors(change)


CLS, SEG = "cls.pth", "seg.pth"
NO_FILE = "expected a PyTorch weight file"
WEIGHTS = [
    ("missing", "cls.infer", ("remove", CLS), "cls.pth"),
    ("missing", "seg.train", ("remove", SEG), "seg.pth"),
    ("a link to nowhere", "seg.predict", ("link", SEG), "seg.pth"),
    ("a folder", "cls.infer", ("folder", CLS), "cls.pth: cannot be read"),
    ("text", "cls.infer", ("write", CLS, "<html>moved</html>"), f"cls.pth: {NO_FILE}"),
    ("text", "cls.train", ("write", CLS, "not weights"), f"cls.pth: {NO_FILE}"),
    ("empty", "seg.predict", ("write", SEG), f"seg.pth: {NO_FILE}"),
    ("truncated", "seg.train", ("truncate", SEG), f"seg.pth: {NO_FILE}"),
    ("truncated", "cls.train_iam", ("truncate", CLS), f"cls.pth: {NO_FILE}"),
    ("bytes that are an old file's", "cls.infer", ("write", CLS, b"\x80\x02\x8a"), f"cls.pth: {NO_FILE}"),
    ("with code", "cls.infer", ("weight_file", CLS, lambda _: {"state_dict": Evil()}), f"cls.pth: {NO_FILE}"),
    ("with code", "seg.predict", ("weight_file", SEG, lambda _: Evil()), f"seg.pth: {NO_FILE}"),
    ("a list", "cls.infer", ("weight_file", CLS, lambda _: [1]), "cls.pth: expected a dictionary of tensors, found list"),
    ("a tensor", "seg.train", ("weight_file", SEG, lambda _: torch.ones(2)), "seg.pth: expected a dictionary of tensors"),
    ("state_dict a list", "cls.infer", ("weight_file", CLS, lambda c: {**c, "state_dict": [1]}), "cls.pth: expected a dictionary of tensors"),
    ("no tensors", "seg.predict", ("weight_file", SEG, lambda c: {**c, "state_dict": {"a": 1}}), "seg.pth: expected weights of another architecture"),
    ("numbers as names", "seg.train", ("weight_file", SEG, lambda _: {1: torch.ones(1)}), "seg.pth: expected weights of"),
    ("of a DeepLab", "cls.infer", ("weight_file", CLS, lambda _: {"arch": {"backbone": "vgg16", "classes": 3}}), "cls.pth: expected weights of cls.train"),
    ("of a classifier", "seg.predict", ("weight_file", SEG, lambda _: {"arch": {"network": "iam", "classes": 3}}), "seg.pth: expected weights of seg.train"),
    ("of another trunk", "cls.train", ("weight_file", CLS, tensors(lambda tensor: tensor[:2])), "cls.pth: expected a trunk of this size"),
    ("of another shape", "cls.infer", ("weight_file", CLS, arch(nodes=3)), "cls.pth: expected weights of another architecture"),
    ("of more classes", "seg.predict", ("weight_file", SEG, arch(classes=4)), "seg.pth: expected the data set's 3 classes, found 4"),
    ("of another convention", "seg.train", ("weight_file", SEG, arch(convention="caffe")), "seg.pth: expected weights of the torchvision convention"),
    ("NaN", "cls.infer", ("weight_file", CLS, with_first(float("nan"))), "cls.pth: expected finite numbers, found NaN or infinity in features.0.weight"),
    ("NaN", "cls.train", ("weight_file", CLS, with_first(float("nan"))), "found NaN or infinity in features.0.weight"),
    ("infinity", "seg.predict", ("weight_file", SEG, with_first(float("inf"))), "seg.pth: expected finite numbers, found NaN or infinity in features.0.weight"),
    ("infinity", "seg.train", ("weight_file", SEG, with_first(-float("inf"))), "found NaN or infinity in features.0.weight"),
    ("a sparse tensor", "cls.infer", ("weight_file", CLS, tensors(lambda tensor: tensor.to_sparse())), "cls.pth: expected plain tensors, features.0.weight"),
    ("a tensor larger than the file", "seg.predict", ("weight_file", SEG, tensors(lambda tensor: torch.zeros(1).expand(10**12))), "seg.pth: expected plain tensors"),
    ("arch a number", "cls.infer", ("weight_file", CLS, lambda c: {**c, "arch": 5}), "cls.pth: expected as its arch a dictionary, found 5"),
    ("arch a text", "seg.predict", ("weight_file", SEG, lambda c: {**c, "arch": "backbone"}), "seg.pth: expected as its arch a dictionary"),
    ("no classes", "cls.infer", ("weight_file", CLS, arch(classes="lacking")), "cls.pth: expected as its arch the number of classes"),
    ("no classes", "seg.predict", ("weight_file", SEG, arch(classes="lacking")), "seg.pth: expected as its arch the number of classes"),
    ("an unknown network", "cls.infer", ("weight_file", CLS, arch(network="yeti")), "cls.pth: expected as its arch.network classifier or iam, found 'yeti'"),
    ("an unknown backbone", "seg.predict", ("weight_file", SEG, arch(backbone=["vgg16"])), "seg.pth: expected as its arch.backbone vgg16 or resnet101"),
    ("a size too many", "cls.infer", ("weight_file", CLS, arch(width=3)), "cls.pth: expected as its arch the sizes of a classifier, found {'width': 3}"),
    ("a size too many", "seg.predict", ("weight_file", SEG, arch(width=3)), "seg.pth: expected as its arch the sizes of a vgg16, found {'width': 3}"),
    ("classes as text", "cls.infer", ("weight_file", CLS, arch(classes="3")), "cls.pth: expected as its arch.classes a whole number"),
    ("negative nodes", "cls.infer", ("weight_file", CLS, arch(nodes=-1)), "cls.pth: expected as its arch.nodes a whole number"),
    ("channels a number", "seg.predict", ("weight_file", SEG, arch(channels=4)), "seg.pth: expected as its arch.channels 1 to 16 whole numbers"),
    ("no channels", "cls.infer", ("weight_file", CLS, arch(channels=[])), "cls.pth: expected as its arch.channels 1 to 16 whole numbers"),
    ("a billion channels", "cls.infer", ("weight_file", CLS, arch(channels=[10**9] * 5)), "cls.pth: expected as its arch.channels 1 to 16 whole numbers"),
    ("a tensor as depths", "seg.predict", ("weight_file", SEG, arch(depths=torch.ones(5))), "seg.pth: expected as its arch.depths 1 to 16 whole numbers"),
    ("output stride 5", "cls.infer", ("weight_file", CLS, arch(output_stride=5)), "cls.pth: expected as its arch.output_stride 4 or 8"),
    ("batch norm a text", "cls.infer", ("weight_file", CLS, arch(batch_norm="no")), "cls.pth: expected as its arch.batch_norm true or false"),
    ("rates of 0", "seg.predict", ("weight_file", SEG, arch(rates=[0])), "seg.pth: expected as its arch.rates 1 to 16 whole numbers"),
    ("another convention", "seg.predict", ("weight_file", SEG, arch(convention="yeti")), "seg.pth: expected as its arch.convention torchvision or caffe"),
    ("pyramid a text", "seg.predict", ("weight_file", SEG, lambda c: {**c, "pyramid": "0.5"}), "seg.pth: expected as its pyramid up to 16 numbers"),
    ("pyramid of 0", "seg.predict", ("weight_file", SEG, lambda c: {**c, "pyramid": [0]}), "seg.pth: expected as its pyramid up to 16 numbers"),
    ("another file's", "weights.fetch", ("write", "vgg16.pth", "mine"), "vgg16.pth: expected SHA-256 397923af"),
]  # fmt: skip

SCORES, TABLE, RECORD, LINES = (
    "run/scores/pred1_val/scores.json",
    "run/table3.json",
    "run/cls/stage.json",
    "results.jsonl",
)
RECORDS = [
    ("scores missing", "seg.summary", ("remove", SCORES), "pred1_val/scores.json: cannot be read"),
    ("scores truncated", "seg.summary", ("truncate", SCORES), "scores.json: expected JSON"),
    ("scores binary", "seg.summary", ("write", SCORES, b"\xff\xfe"), "scores.json: expected JSON"),
    ("scores a number", "seg.table", ("write", SCORES, "7"), "scores.json: expected the scores of seg.evaluate"),
    ("scores a list", "seg.table", ("write", SCORES, "[1]"), "scores.json: expected the scores of seg.evaluate"),
    ("scores of other names", "seg.table", ("write", SCORES, "{}"), "scores.json: expected the scores of seg.evaluate, mean_iou among them"),
    ("scores as text", "seg.table", ("write", SCORES, '{"mean_iou": "high"}'), "scores.json: expected the scores of seg.evaluate"),
    ("scores nested a million times", "seg.table", ("write", SCORES, "[" * 10**6), "scores.json: expected JSON"),
    ("scores without a kind", "seg.collect", ("write", SCORES, '{"mean_iou": 1}'), "scores.json: expected the scores of seg.evaluate, ignored among them"),
    ("scores of a kind as text", "seg.collect", ("replace", SCORES, '"simple": {"mean_iou": 50.0', '"simple": {"mean_iou": ""'), "scores.json: expected the scores"),
    ("table a number", "seg.collect", ("write", TABLE, "7"), "table3.json: expected the rows that seg.table writes"),
    ("table without names", "seg.collect", ("write", TABLE, "[{}]"), "table3.json: expected the rows that seg.table writes"),
    ("paper's number as text", "seg.collect", ("replace", TABLE, "67.7", "many"), "table3.json: expected the rows that seg.table writes"),
    ("table binary", "seg.collect", ("write", TABLE, b"\x00\xff"), "table3.json: expected JSON"),
    ("record missing", "seg.collect", ("remove", RECORD), "cls/stage.json: cannot be read"),
    ("record without a seed", "seg.collect", ("write", RECORD, "{}"), "run: expected stage.json of finished stages in cls and"),
    ("record a list", "seg.collect", ("write", RECORD, "[]"), "run: expected stage.json of finished stages in cls and"),
    ("lines missing", "seg.report", ("remove", LINES), "results.jsonl: cannot be read"),
    ("lines a folder", "seg.report", ("folder", LINES), "results.jsonl: cannot be read"),
    ("lines binary", "seg.report", ("write", LINES, b"\xff"), "results.jsonl: expected JSON lines"),
    ("lines truncated", "seg.report", ("truncate", LINES), "results.jsonl: expected JSON lines"),
    ("lines of something else", "seg.report", ("write", LINES, '{"a": 1}\n'), "results.jsonl line 1: expected JSON lines"),
    ("a score as text", "seg.report", ("replace", LINES, "50.0", '"50"'), "results.jsonl line 1: expected JSON lines"),
    ("a setting as list", "seg.report", ("replace", LINES, '"ablation"', "[]"), "results.jsonl line 1: expected JSON lines"),
    ("labels without kinds", "seg.report", ("replace", LINES, "table3", "labels"), "results.jsonl line 1: expected JSON lines"),
    ("a kernel that is no number", "seg.report", ("replace", LINES, "table3", "fig6"), "results.jsonl line 1: expected JSON lines"),
    ("no line", "seg.report", ("write", LINES), "results.jsonl: expected lines of the setting ablation"),
]  # fmt: skip

CASES = [("weights", name, command, damage, "", message) for name, command, damage, message in WEIGHTS]
CASES += [("records", name, command, damage, "", message) for name, command, damage, message in RECORDS]
