"""Bad arguments and folders: (kind, case, command, what is done to which file, arguments, message)."""

import shlex

TRAININGS = ("cls.train", "cls.train_iam", "seg.train")
SPLITS = ("cls.train", "cls.train_iam", "cls.infer", "pseudo.background", "pseudo.pom", "pseudo.nsrm", "seg.train",
          "seg.predict", "seg.evaluate", "seg.export_voc_server", "seg.gallery")  # fmt: skip
STAGES = ("data.prepare_toy", "data.prepare_voc12", *SPLITS[:-2])
NETWORKS = (*TRAININGS, "cls.infer", "seg.predict", "weights.pretrain_toy")

NUMBERS = [  # option, bad values, commands
    ("--epochs", "0 -1 1.5 ten 99999999999999999999", TRAININGS[:2]),
    ("--iterations", "0 -1 1e3", ["seg.train"]),
    ("--batch-size", "0 -1", (*TRAININGS, "seg.predict", "weights.pretrain_toy")),
    ("--lr", "0 -1 nan inf =-inf fast", (*TRAININGS, "weights.pretrain_toy")),
    ("--weight-decay", "-1 nan", TRAININGS),
    ("--decay-epochs", "-1", TRAININGS[:2]),
    ("--input-size", "0 7 -8", TRAININGS[:2]),
    ("--crop-size", "0 -5", ["seg.train"]),
    ("--nodes", "0 -1", TRAININGS[:2]),
    ("--save-every", "0 -1", TRAININGS),
    ("--kernel-size", "0 -1 1000000 x", ["pseudo.nsrm"]),
    ("--scales", "0 -1 nan 1e9", ["seg.train"]),
    ("--pyramid", "0 -0.5 inf", ["seg.train", "seg.predict"]),
    ("--rates", "0 -6", ["seg.train"]),
    ("--width", "0", ["seg.train"]),
    ("--blocks", "'0 1 1 1'", ["seg.train"]),
    ("--fc-channels", "-1", ["seg.train"]),
    ("--crf-iterations", "-1", ["seg.predict"]),
    ("--crf-bilateral-sxy", "0", ["seg.predict"]),
    ("--score-threshold", "nan -0.1 2", ["pseudo.background"]),
    ("--conflict-threshold", "nan", ["pseudo.background"]),
    ("--attention-threshold", "inf", ["pseudo.background"]),
    ("--saliency-threshold", "-1 256 nan", ["pseudo.background"]),
    ("--background-threshold", "nan 1.1", ["pseudo.pom"]),
    ("--map-thresholds", "nan -1", ["seg.evaluate"]),
    ("--count", "0 3 -2", ["seg.gallery"]),
    ("--train", "0 10000", ["data.prepare_toy"]),
    ("--val", "-1", ["data.prepare_toy"]),
    ("--height", "31 4097", ["data.prepare_toy"]),
    ("--complex-share", "nan 1.5", ["data.prepare_toy"]),
    ("--max-classes", "1 7", ["data.prepare_toy"]),
    ("--salient-radius", "'nan 9' '-1 9'", ["data.prepare_toy"]),
    ("--seed", "-1 99999999999", ["data.prepare_toy"]),
    ("--crops", "0", ["weights.pretrain_toy"]),
    ("--steps", "-1", ["weights.pretrain_toy"]),
    ("--backbone", "yeti", ["seg.train", "seg.predict"]),
    ("--convention", "yeti", ["seg.train"]),
    ("--labels-from", "yeti", ["data.prepare_voc12"]),
    ("--output-stride", "5", TRAININGS[:2]),
]
NUMBERS += [
    ("--channels", "'0 4 4 4 4'", [*TRAININGS, "weights.pretrain_toy"]),
    ("--depths", "'1 1 1 1 -1'", [*TRAININGS, "weights.pretrain_toy"]),
    ("--workers", "-1 two", [*NETWORKS, *SPLITS[3:6], "seg.evaluate", "data.check", "data.prepare_toy"]),
    ("--seed", "-1 99999999999", NETWORKS),
    ("--batch-size", "0 -1", ["cls.infer"]),
    ("--input-size", "0 7", ["cls.infer"]),
]

OUT_FILES = {"seg.export_voc_server": "tgz", "seg.collect": "jsonl", "seg.report": "md", "seg.gallery": "png"}
OUT_FILES |= {"weights.fetch": "pth", "weights.pretrain_toy": "pth"}

OTHERS = [  # case, command, what is done, arguments, message
    ("--split with a path", SPLITS, [], "--split ../lists/train", "--split: expected the name of a list"),
    ("--split empty", ("cls.train", "pseudo.pom", "seg.gallery"), [], "--split ''", "--split: expected the name of a list"),
    ("--split of a list that is not there", ("seg.predict", "seg.evaluate"), [], "--split none", "none.txt: cannot be read"),
    ("--name with a path", ["seg.table"], [], "--name table3/../../evil", "--name: expected a name"),
    ("--name empty", ["seg.table"], [], "--name ''", "--name: expected a name"),
    ("--val with a path", ["seg.summary"], [], "--val val/../../val", "--val: expected a name"),
    ("--tables with a path", ["seg.collect"], [], "--tables table3/../table3", "--tables: expected a name"),
    ("--plot over words", ["seg.table"], [], "--row baseline '' pred1_val", "--row: expected numbers as names"),
    ("--backbone of other weights", ["seg.predict"], [], "--backbone resnet101", "seg.pth: expected a resnet101, found a vgg16"),
    ("--crop-size too small for the network", ["seg.train"], [], "--crop-size 15", "--crop-size: expected at least 16, found 15"),
    ("--salient-radius the wrong way round", ["data.prepare_toy"], [], "--salient-radius 9 5", "--salient-radius: expected two ascending numbers"),
    ("--device of no kind", NETWORKS, [], "--device yeti", "--device yeti: expected"),
    ("--device that is not there", NETWORKS, [], "--device cuda:99", "--device cuda:99: "),
    ("--device that computes nothing", ("seg.predict", "cls.train"), [], "--device meta", "--device meta: expected"),
    ("--sha256 too short", ["weights.fetch"], [], "--sha256 12", "--sha256: expected 64 hexadecimal digits"),
    ("--saliency-sha256 without --download", ["data.prepare_voc12"], [], f"--saliency-sha256 {'0' * 64}", "--saliency-sha256: "),
    ("--sbd missing, with --download", ["data.prepare_voc12"], ("remove", "sbd"), "--download @downloads", "sbd: no such file"),
    ("an unknown argument", ("cls.train", "seg.table", "data.check"), [], "--yeti", "unrecognized arguments: --yeti"),
]  # fmt: skip

FOLDERS = [  # case, command, what is done, arguments, message
    ("--data missing", (*SPLITS, "data.check"), [], "--data @none", "/none"),
    ("--data a file", ("cls.train", "pseudo.nsrm", "data.check", "seg.gallery"), [], "--data @cls.pth", "/cls.pth"),
    ("--data a link to nowhere", ("cls.infer", "seg.predict"), ("link", "mine"), "--data @mine", "/mine"),
    ("--data of something else", ("seg.train", "seg.evaluate"), [], "--data @mine", "mine/classes.txt"),
    ("--oa-cam missing", ["pseudo.background"], [], "--oa-cam @none", "/none"),
    ("--oa-cam a file", ["pseudo.background"], [], "--oa-cam @cls.pth", "/cls.pth"),
    ("--cam a link to nowhere", ["pseudo.pom"], ("link", "maps"), "", "/maps"),
    ("--label missing", ["pseudo.pom"], [], "--label @none", "/none"),
    ("--pred missing", ["seg.evaluate"], [], "--pred @none", "/none"),
    ("--pred of something else", ["seg.evaluate"], [], "--pred @mine", "a_simple.png: no such file"),
    ("--pred of something else", ["seg.export_voc_server"], [], "--pred @mine", "mine: expected 2 predictions, 2 are missing"),
    ("--pred missing", ["pseudo.nsrm"], [], "--pred @none", "/none"),
    ("--labels missing", ["seg.train"], [], "--labels @none", "/none"),
    ("--attention missing", ["cls.train_iam"], [], "--attention @none", "/none"),
    ("--attention of something else", ["cls.train_iam"], [], "--attention @mine", "/mine"),
    ("--init missing", TRAININGS, [], "--init @none.pth", "/none.pth"),
    ("--weights missing", ("cls.infer", "seg.predict"), [], "--weights @none.pth", "/none.pth"),
    ("--devkit of something else", ["data.prepare_voc12"], [], "--devkit @mine", "mine/ImageSets/Segmentation"),
    ("--devkit missing", ["data.prepare_voc12"], [], "--devkit @none", "/none"),
    ("--sbd of something else", ["data.prepare_voc12"], [], "--sbd @mine", "--sbd"),
    ("--saliency of something else", ["data.prepare_voc12"], [], "--saliency @mine", "2007_000001.png: no such file"),
    ("--run missing", ("seg.table", "seg.summary", "seg.gallery"), [], "--run @none", "/none"),
    ("--run a file", ("seg.table", "seg.summary"), [], "--run @cls.pth", "/cls.pth"),
    ("--run of something else", ["seg.summary"], [], "--run @mine", "scores.json: cannot be read"),
    ("--runs missing", ["seg.collect"], [], "--runs @none", "none: expected scores"),
    ("--before missing", ["seg.gallery"], [], "--before none", "none: no such folder"),
    ("--results missing", ["seg.report"], [], "--results @none.jsonl", "none.jsonl: cannot be read"),
    ("--out a file", STAGES, [], "--out @results.jsonl", "results.jsonl: expected a folder to write to"),
    ("--out in a file", STAGES, [], "--out @results.jsonl/out", "results.jsonl/out: "),
    ("--out somebody's folder", STAGES, [], "--out @mine", "mine: exists, but stage.json is not there"),
    ("--out somebody's folder, with --force", STAGES[:4], [], "--out @mine --force", "mine: exists, but stage.json is not there"),
    ("--out the data", SPLITS[:-2], [], "--out @tiny", "tiny: e"),
    ("--out the devkit", ["data.prepare_voc12"], [], "--out @VOCdevkit/VOC2012", "VOC2012: e"),
    ("--out another input", ["pseudo.pom"], [], "--out @label --force", "label: e"),
    ("--out another stage's", ["seg.evaluate"], ("write", "old/stage.json", '{"command": "cls.train"}'), "--out @old", "/old"),
    ("--out with a damaged record", ["pseudo.pom"], ("write", "old/stage.json", "[]"), "--out @old", "old/stage.json: expected the record of a stage"),
    ("--out a link to nowhere", ["pseudo.nsrm"], ("link", "mine"), "--out @mine", "/mine"),
    ("--out a name of 300 letters", ("pseudo.pom", "cls.train"), [], f"--out @{'a' * 300}", "a" * 300),
    ("--out below folders that are not there", ["pseudo.pom"], ("remove", "label/a_simple.png"), "--out @runs/new/out", "a_simple.png: no such file"),
    ("--out an empty folder", ["pseudo.pom"], [("remove", "label/a_simple.png"), ("folder", "attention")], "--out @attention", "a_simple.png: no such file"),
    ("--out a link to an empty folder", ["pseudo.pom"], [("remove", "label/a_simple.png"), ("folder", "attention"), ("link", "mine", "attention")], "--out @mine", "a_simple.png: no such file"),
    ("--data with a name of two lines", ["pseudo.pom", "data.check"], [], "--data '@two\nlines'", "lines"),
    ("--out results.zip", ["seg.export_voc_server"], [], "--out @results.zip", "expected a name that ends in .tgz"),
    ("--out that exists", ["seg.export_voc_server"], ("write", "out.tgz", "mine"), "", "out.tgz: exists already"),
    ("--out without .pth", ("weights.fetch", "weights.pretrain_toy"), [], "--out @weights", "weights: expected a name that ends in .pth"),
    ("--out somebody's file", ["weights.pretrain_toy"], [], "--out @cls.pth", "cls.pth: exists, but cls.json is not there"),
    ("--out the results", ["seg.report"], [], "--out @results.jsonl", "results.jsonl: expected another file to write"),
    ("--out the table", ["seg.collect"], [], "--out @run/table3.json", "table3.json: expected another file to write"),
    ("--out in the data", ["seg.gallery"], [], "--out @tiny/saliency/a_simple.png", "a_simple.png: expected a file outside of"),
    ("--out in the predictions", ["seg.gallery"], [], "--out @run/pred1/a_simple.png", "a_simple.png: expected a file outside of"),
    ("a folder in place of a table", ["seg.table"], ("write", "run/table3.md/x", ""), "", "table3.md: expected a file that can be written"),
    ("a folder in place of a summary", ["seg.summary"], ("write", "run/summary.json/x", ""), "", "summary.json: expected a file that can be written"),
    ("without permission to read --data", ("cls.train", "data.check", "seg.evaluate"), ("lock", "tiny"), "", "/tiny"),
    ("without permission to read images", ("cls.train", "pseudo.nsrm"), ("lock", "tiny/JPEGImages"), "", "JPEGImages"),
    ("without permission to read --weights", ["cls.infer"], ("lock", "cls.pth"), "", "/cls.pth"),
    ("without permission to write --out", ("pseudo.pom", "seg.report"), ("lock", "mine"), "--out @mine/out", "/mine"),
]  # fmt: skip
FOLDERS += [
    (
        "--out a folder",
        [command],
        ("write", f"old.{ending}/x", ""),
        f"--out @old.{ending} --force"[: None if "seg.e" in command else -8 or None],
        f"old.{ending}",
    )
    for command, ending in OUT_FILES.items()
]
FOLDERS += [
    ("--out in a folder that is not there", [command], [], f"--out @none/out.{ending}", "none: no such folder")
    for command, ending in OUT_FILES.items()
    if command not in ("seg.export_voc_server", "weights.pretrain_toy")
]


NUMBERS = [
    (f"{option} {value}", commands, [], f"{option}{value if value[0] == '=' else ' ' + value}", f"argument {option}: ")
    for option, values, commands in NUMBERS
    for value in shlex.split(values)
]
CASES = [
    (kind, name, command, damage, more, message)
    for kind, rows in (("numbers", NUMBERS), ("arguments", OTHERS), ("folders", FOLDERS))
    for name, commands, damage, more, message in rows
    for command in commands
]
