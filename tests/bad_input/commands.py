"""What tests/test_bad_input.py gives to each command: arguments that work, files to damage, what is refused."""

NETWORK = "--channels 4 4 4 4 4 --depths 1 1 1 1 1 --workers 0 --device cpu"
TRAIN, LABELS = "--data @tiny --split train --out @out", "--data @tiny --split train --out @out --workers 1"
CLS = f"{TRAIN} --epochs 1 --batch-size 2 --input-size 32 --nodes 2 --init @cls.pth {NETWORK}"
SEG = f"{TRAIN} --backbone vgg16 --fc-channels 4 --rates 1 --iterations 1 --batch-size 2 --crop-size 33 {NETWORK}"
COMMANDS = {  # arguments with which the command works; @ stands for the test's folder
    "data.prepare_toy": "--out @out --train 1 --val 1 --workers 1",
    "data.prepare_voc12": "--devkit @VOCdevkit/VOC2012 --saliency @saliency_aug --sbd @sbd --out @out",
    "data.prepare_coco14": "--images @coco/images --annotations @coco/annotations --saliency @coco/saliency --out @out "
    "--workers 1",
    "data.prepare_folder": "--images @tiny/JPEGImages --tags @tags.csv --saliency @tiny/saliency --val 0 --out @out "
    "--classes @tiny/classes.txt --workers 1",
    "data.check": "--data @tiny --workers 1",
    "cls.train": CLS,
    "fbr.train": f"{CLS} --labels saliency --contrast-from 0 --embedding 2 --bank-size 9 --queries 9 --negatives 2",
    "cls.train_iam": f"{CLS} --attention @attention",
    "cls.infer": f"{TRAIN} --weights @cls.pth --input-size 32 --workers 0 --device cpu",
    "fbr.refine": f"{LABELS} --maps @maps",
    "irn.seed": f"{LABELS} --maps @maps",
    "irn.train": f"{TRAIN} --seeds @label --backbone vgg16 --init @cls.pth --branch-width 4 --crop-size 32 --radius 3 "
    f"--epochs 1 --batch-size 2 {NETWORK}",
    "irn.walk": f"{TRAIN} --maps @maps --weights @irn.pth --workers 0 --device cpu",
    "irn.instances": f"{TRAIN} --maps @maps --weights @irn.pth --workers 0 --device cpu",
    "irn.label_maps": f"{LABELS} --labels @label",
    "pseudo.background": f"{LABELS} --oa-cam @maps",
    "pseudo.pom": f"{LABELS} --label @label --cam @maps",
    "pseudo.nsrm": f"{LABELS} --pred @label --label @label --all-images",
    "seg.train": f"{SEG} --labels @label --init @seg.pth",
    "seg.predict": f"{TRAIN} --weights @seg.pth --workers 0 --device cpu",
    "evaluate.labels": f"{LABELS} --pred @label",
    "evaluate.instances": f"{LABELS} --pred @instances",
    "evaluate.voc_server": "--data @voc --split val --pred @run/pred1 --out @out.tgz",
    "report.tables.table": "--run @run --name table3 --title T --row 1 67.7 pred1_val --row 2 '' pred2_val --plot N",
    "report.studies.collect": "--runs @run --tables table3 --out @out.jsonl",
    "report.studies.tables": "--study ablation --results @results.jsonl --out @out.md",
    "report.studies.context": f"{LABELS} --maps @maps",
    "report.studies.picture": "--data @tiny --split train --run @run --rows ce all --out @out.png --count 2",
    "report.studies.instances": "--run @run --name instances --title T --row 'a row' instances",
    "report.tables.summary": "--run @run",
    "report.tables.labels": "--run @run",
    "report.tables.gallery": "--data @tiny --split train --run @run --out @out.png --count 2",
    "report.run.compare": "@compared/a @compared/b",
    "report.tables.figure4": "--data @tiny --split train --run @run --out @out.png --count 2 --column a pred1 "
    "--column b pred2",
    "report.run.html": "--run @compared/b --data @tiny --out @out --images 2",
    "report.run.publish": "--run @finished --out @out",
    "weights.fetch": "vgg16 --out @vgg16.pth",
    "weights.pretrain_toy": f"--out @out --crops 4 --steps 1 --batch-size 2 {NETWORK}",
}
LIST, NAMES, IMAGE = "tiny/lists/train.txt", "tiny/classes.txt", "tiny/JPEGImages/a_simple.jpg"
SALIENCY, TRUTH = "tiny/saliency/a_simple.png", "tiny/SegmentationClass/a_simple.png"
LABEL, MAP, SCORES = "label/a_simple.png", "maps/a_simple_0.png", "run/scores/pred1_val/scores.json"
INSTANCES, OBJECTS = "instances/a_simple", "tiny/InstanceMasks/a_simple.png"
CONTEXT, CAM, ROW = "tiny/context/a_simple.png", "run/all/cam/a_simple_0.png", "run/all/scores"
WITHOUT, PREDICTED = "run/ce/image_level/scores", "compared/b"
VOC, COCO, COCO_ID = "VOCdevkit/VOC2012", "coco/annotations/instances_train2014.json", "COCO_train2014_000000000009"
READS = {  # the files of which each command reads every one: it meets them missing, and with bytes that mean nothing
    "data.prepare_voc12": f"{VOC}/ImageSets/Segmentation/train.txt {VOC}/JPEGImages/2007_000001.jpg sbd/train.txt "
    f"{VOC}/SegmentationClass/2007_000001.png {VOC}/Annotations/2007_000001.xml saliency_aug/2007_000001.png",
    "data.prepare_coco14": f"{COCO} coco/annotations/instances_val2014.json coco/images/train2014/{COCO_ID}.jpg "
    f"coco/saliency/{COCO_ID}.png",
    "data.prepare_folder": f"tags.csv {NAMES} {IMAGE} {SALIENCY}",
    "data.check": NAMES,
    "cls.train": f"{NAMES} {LIST} {IMAGE} cls.pth",
    "fbr.train": f"{NAMES} {LIST} {IMAGE} {SALIENCY} cls.pth",
    "cls.train_iam": f"{NAMES} {LIST} {IMAGE} cls.pth",
    "cls.infer": f"{NAMES} {LIST} {IMAGE} cls.pth",
    "fbr.refine": f"{NAMES} {LIST} {IMAGE} {MAP}",
    "irn.seed": f"{NAMES} {LIST} {IMAGE}",
    "irn.train": f"{NAMES} {LIST} {IMAGE} {LABEL} cls.pth",
    "irn.walk": f"{NAMES} {LIST} {IMAGE} irn.pth",
    "irn.instances": f"{NAMES} {LIST} {IMAGE} irn.pth",
    "irn.label_maps": f"{NAMES} {LIST} {IMAGE} {LABEL}",
    "pseudo.background": f"{NAMES} {LIST} {IMAGE} {SALIENCY}",
    "pseudo.pom": f"{NAMES} {LIST} {IMAGE} {LABEL}",
    "pseudo.nsrm": f"{NAMES} {LIST} {IMAGE} {SALIENCY} {LABEL}",
    "seg.train": f"{NAMES} {LIST} {IMAGE} {LABEL} seg.pth",
    "seg.predict": f"{NAMES} {LIST} {IMAGE} seg.pth",
    "evaluate.labels": f"{NAMES} {LIST} {IMAGE} {TRUTH} {LABEL}",
    "evaluate.instances": f"{NAMES} {LIST} {IMAGE} {TRUTH} {OBJECTS} {INSTANCES}.png {INSTANCES}.json",
    "evaluate.voc_server": "voc/classes.txt voc/lists/val.txt voc/JPEGImages/b_simple.jpg run/pred1/b_simple.png",
    "report.studies.collect": "run/cls/stage.json",
    "report.studies.tables": "results.jsonl",
    "report.studies.context": f"{NAMES} {LIST} {IMAGE} {TRUTH} {CONTEXT}",
    "report.studies.picture": f"{NAMES} {LIST} {IMAGE} {TRUTH} {CONTEXT}",
    "report.tables.summary": SCORES,
    "report.tables.gallery": f"{NAMES} {LIST} tiny/JPEGImages/c_complex.jpg tiny/saliency/c_complex.png "
    "tiny/SegmentationClass/c_complex.png run/pred2/c_complex.png",
    "report.tables.figure4": f"{NAMES} {LIST} {IMAGE} {TRUTH} run/pred1/a_simple.png run/pred2/c_complex.png",
    "report.run.compare": f"{PREDICTED}/scores/pred2/stage.json",
    "report.run.html": f"{NAMES} {LIST} {PREDICTED}/scores/pred2/stage.json",
    "report.run.publish": "finished/cls/weights.pth",
}
WALK = [
    ("--maps @mine", [], "mine: expected maps named <id>_<class>.png"),
    ("--weights @cls.pth", [], "cls.pth: expected weights of irn.train"),
    ("--weights @seg.pth", [], "seg.pth: expected weights of irn.train"),
    ("", [("write", LIST, "a_simple\n")], "line 1: expected at least one class of a_simple"),
]
DAMAGED = {  # files that may be missing, but that mean something if they are there: with bytes that mean nothing
    "data.check": LIST,
    "cls.train_iam": "attention/a_simple_0.png",
    "irn.seed": MAP,
    "irn.walk": MAP,
    "irn.instances": MAP,
    "pseudo.background": MAP,
    "pseudo.pom": MAP,
    "report.studies.context": MAP,
    "report.tables.table": SCORES,
    "report.studies.instances": "run/scores/instances/scores.json",
    "report.studies.collect": f"{SCORES} run/table3.json",
    "report.studies.picture": CAM,
    "report.run.compare": f"{PREDICTED}/scores/pred2/scores.json {PREDICTED}/scores/pred2/images.jsonl",
    "report.run.html": f"{PREDICTED}/scores/pred2/scores.json {PREDICTED}/scores/pred2/images.jsonl",
    "report.run.publish": "drawn/stage.json finished/table3.json finished/scores/pred1/scores.json "
    "finished/scores/pred1/stage.json finished/cls/stage.json",
    "weights.fetch": "vgg16.pth",
}
OTHERS = {  # command: [(more arguments, what is done first, message)], what only this command can meet
    "data.prepare_toy": [
        ("--salient-radius 9 5", [], "--salient-radius: expected two ascending numbers"),
        ("--salient-radius nan 9", [], "argument --salient-radius: "),
    ],
    "data.prepare_voc12": [
        ("--download @downloads", [("remove", "sbd")], "sbd: no such file"),
        (f"--saliency-sha256 {'0' * 64}", [], "--saliency-sha256: "),
        (f"--saliency-sha256 {'0' * 64} --download @downloads", [], "--saliency-sha256: "),
        ("--devkit @mine", [], "mine/ImageSets/Segmentation"),
        ("--sbd @mine", [], "--sbd"),
        ("--saliency @mine", [], "2007_000001.png: no such file"),
        ("--labels-from yeti", [], "argument --labels-from: "),
    ],
    "data.prepare_coco14": [
        ("--images @mine", [], "mine/train2014: no such folder; expected --images to hold train2014 and val2014"),
        ("--annotations @mine", [], "instances_train2014.json"),
        ("--saliency @mine", [], f"{COCO_ID}.png: no such file"),
        ("--crowds yeti", [], "argument --crowds: "),
        ("", [("truncate", COCO)], "instances_train2014.json: expected JSON, complete and in UTF-8"),
        ("", [("write", COCO, "[]")], "instances_train2014.json: expected COCO's annotations"),
        ("", [("replace", COCO, '"iscrowd": 0', '"iscrowd": 2')], "expected iscrowd of 0 or 1, found 2"),
        ("", [("replace", COCO, f"{COCO_ID}.jpg", "../a.jpg")], "expected a file_name such as COCO_train2014_0000"),
        ("", [("image", f"coco/images/train2014/{COCO_ID}.jpg", "L")], "expected the annotations' size 16x12, found"),
        ("", [("image", f"coco/saliency/{COCO_ID}.png", "RGB", (16, 12))], "expected an 8-bit grey image, found"),
    ],
    "data.prepare_folder": [
        ("--images @mine", [], "mine: expected at least one photograph, named "),
        ("--saliency @mine", [], "mine: expected <id>.png of at least one image"),
        ("--ground-truth @mine", [], "mine: expected <id>.png of at least one image"),
        ("--ground-truth @none", [], "/none: cannot be read"),
        ("--ground-truth @label", [("label", LABEL, 4)], "a_simple.png: expected values 0 to 3 and 255, found 4"),
        ("--ground-truth @label", [("truncate", LABEL)], "a_simple.png: expected a complete image"),
        ("", [("bomb", IMAGE, 12000)], "a_simple.jpg: expected at most 67108864 pixels"),
        ("", [("image", IMAGE, "I;16", (64, 48), "PNG")], "a_simple.jpg: expected 8 bits a channel"),
        ("", [("image", SALIENCY, "RGBA")], "a_simple.png: expected a grey map of 8 bits, found mode RGBA"),
        ("", [("write", "tags.csv", "file\n")], "tags.csv: expected the columns file and tags, found 'file'"),
        ("", [("replace", "tags.csv", "disc", "yeti")], "classes.txt: expected every tag to be a class, yeti is none"),
        ("", [("replace", "tags.csv", "b_simple.jpg", "a_simple.jpg")], "a_simple.jpg stands in the table twice"),
        ("", [("replace", "tags.csv", "b_simple.jpg", "b.jpg")], "found b.jpg"),
    ],
    "data.check": [
        ("", [("remove", "tiny/lists")], "lists: expected at least one list"),
        ("--data '@two\nlines'", [], "lines"),
        ("--no-saliency", [("remove", "tiny/lists")], "lists: expected at least one list"),
    ],
    "cls.train": [("--output-stride 5", [], "argument --output-stride: ")],
    "fbr.train": [
        ("--heads shared", [], "--similarity-weight 0.1: expected 0 without two projections (--heads shared)"),
        ("--heads none", [], "--similarity-weight 0.1: expected 0 without two projections (--heads none)"),
        ("--band 0.7 0.3", [], "--band: expected two ascending numbers, found 0.7 0.3"),
        ("--labels yeti", [], "argument --labels: "),
        ("", [("remove", "tiny/saliency")], "tiny/saliency/"),
        ("--labels truth", [("remove", "tiny/SegmentationClass")], "tiny/SegmentationClass/"),
        ("--diagnose", [("remove", TRUTH)], "a_simple.png: no such file"),
        ("--diagnose", [("write", "tiny/context/a_simple.png", b"\x00")], "tiny/context/"),
    ],
    "cls.train_iam": [
        ("--attention @mine", [], "mine: expected maps named <id>_<class>.png"),
        ("", [("image", "attention/a_simple_0.png", "L", (5, 4))], "a_simple_0.png: expected 4x4"),
    ],
    "cls.infer": [
        ("", [("write", LIST, "a_simple\n")], "line 1: expected at least one class of a_simple"),
        ("--weights @seg.pth", [], "seg.pth: expected weights of cls.train"),
    ],
    "irn.seed": [
        ("--maps @mine", [], "mine: expected maps named <id>_<class>.png"),
        ("--loose 0.5", [], "--loose 0.5: expected at most --strict 0.3"),
        ("--crf-backend yeti", [], "argument --crf-backend: "),
    ],
    "irn.train": [
        ("--radius 4", [], "--radius: expected less than an eighth of --crop-size, found 4"),
        ("--seeds @mine", [], "a_simple.png: no such file"),
        ("--init @irn.pth --depths 2 1 1 1 1", [], "irn.pth: expected a trunk of this size: features."),
        ("--backbone resnet50", [], "cls.pth: expected a trunk of this size: features.layer1.conv1.conv.weight"),
        ("--backbone resnet101", [], "argument --backbone: "),
        ("--branch-width 5", [], "argument --branch-width: "),
        ("", [("label", LABEL, 4)], "a_simple.png: expected values 0 to 3 and 255, found 4"),
    ],
    "irn.walk": WALK,
    "irn.instances": WALK,
    "irn.label_maps": [
        ("", [("label", LABEL, 4)], "a_simple.png: expected values 0 to 3 and 255, found 4"),
        ("", [("write", LIST, "a_simple\n")], "line 1: expected at least one class of a_simple"),
    ],
    "pseudo.background": [("--oa-cam @mine", [], "mine: expected maps named <id>_<class>.png")],
    "pseudo.pom": [
        ("", [("link", "maps")], "/maps"),
        ("--out @label --force", [], "label: e"),
        ("--out @old", [("write", "old/stage.json", "[]")], "old/stage.json: expected the record of a stage"),
        ("--out @runs/new/out", [("remove", LABEL)], "a_simple.png: no such file"),
        ("--out @attention", [("remove", LABEL), ("folder", "attention")], "a_simple.png: no such file"),
        (
            "--out @mine",
            [("remove", LABEL), ("folder", "attention"), ("link", "mine", "attention")],
            "a_simple.png: no such file",
        ),
        ("--data '@two\nlines'", [], "lines"),
    ],
    "seg.train": [
        ("--crop-size 15", [], "--crop-size: expected at least 16, found 15"),
        ("--backbone yeti", [], "argument --backbone: "),
        ("--convention yeti", [], "argument --convention: "),
        ("--convention caffe", [], "seg.pth: expected weights of the caffe convention"),
        ("", [("remove", LABEL)], "a_simple.png: no such file"),
    ],
    "seg.predict": [
        ("--images @tiny/JPEGImages", [], "--images: expected neither --data nor --split beside it"),
        ("--longest 500", [], "--longest: expected --images, not --data"),
        ("--backbone resnet101", [], "seg.pth: expected a resnet101, found a vgg16"),
        ("--weights @cls.pth", [], "cls.pth: expected weights of seg.train"),
        ("", [("image", IMAGE, "RGB", (64, 15))], "a_simple.jpg: expected at least 16 pixels a side, found 64x15"),
        (
            "",
            [("write", NAMES, "disc\nsquare\n"), ("write", LIST, "a_simple 0\n")],
            "expected the data set's 2 classes",
        ),
    ],
    "evaluate.labels": [
        ("--pred @mine", [], "a_simple.png: no such file"),
        ("--out @old", [("write", "old/stage.json", '{"command": "cls.train"}')], "/old"),
        ("", [("write", LIST, "a_simple 0\n"), ("label", TRUTH, 255)], "expected ground truth with at least one pixel"),
        ("--threshold 2", [], "argument --threshold: "),
        (
            f"--pred @maps --threshold-from @{SCORES}",
            [("write", SCORES, "[]")],
            "expected the scores of evaluate.labels",
        ),
        (f"--pred @maps --threshold-from @{SCORES}", [], "scores.json: expected scores of class maps"),
        (f"--pred @maps --threshold-from @{SCORES} --threshold 0.5", [], "not allowed with argument"),
    ],
    "evaluate.instances": [
        ("--pred @mine", [], "a_simple.json: cannot be read"),
        ("--iou 0.5 0", [], "argument --iou: "),
        ("", [("replace", f"{INSTANCES}.json", '"number": 1', '"number": 0')], "entry 1: expected an object with"),
        ("", [("replace", f"{INSTANCES}.json", '"class": 0', '"class": 3')], "entry 1: expected a class from 0"),
        (
            "",
            [("replace", f"{INSTANCES}.json", '"score": 0.5', '"score": NaN')],
            "entry 1: expected a finite score",
        ),
        ("", [("label", f"{INSTANCES}.png", 0)], "a_simple.png: expected pixels of number 1"),
        ("", [("write", f"{INSTANCES}.json", "[]")], "a_simple.json: expected an entry of number 1"),
        ("", [("label", f"{INSTANCES}.png", 1, (48, 63))], "a_simple.png: expected the image's size 64x48"),
        (
            "",
            [("label", OBJECTS, 1)],
            "a_simple.png: expected one class of SegmentationClass",
        ),
        (
            "",
            [("write", LIST, "a_simple 0\n"), ("label", OBJECTS, 255)],
            "InstanceMasks: expected ground truth with at least one object",
        ),
    ],
    "evaluate.voc_server": [
        ("--pred @mine", [], "mine: expected 2 predictions, 2 are missing"),
        ("--out @results.zip", [], "expected a name that ends in .tgz"),
        ("", [("write", "out.tgz", "mine")], "out.tgz: exists already"),
        ("", [("write", "voc/classes.txt", "a\nb\nc\n")], "classes.txt: expected VOC's 20 classes"),
        ("", [("label", "run/pred1/b_simple.png", 255, (64, 48))], "b_simple.png: expected values 0 to 20, found 255"),
    ],
    "report.tables.table": [
        ("--row baseline '' pred1_val", [], "--row: expected numbers as names"),
        ("--published table3", [], "argument --published: invalid choice: 'table3'"),
        ("", [("write", "run/table3.md/x")], "table3.md: expected a file that can be written"),
    ],
    "report.studies.collect": [
        ("--out @run/table3.json", [], "table3.json: expected another file to write"),
        ("--runs @mine", [], "mine: expected scores of rows below it, found none"),
        ("--study fbr", [], "argument --study: not allowed with argument --tables"),
        ("", [("write", "run/cls/stage.json", "{}")], "run: expected stage.json of finished stages in cls and"),
    ],
    "report.studies.tables": [
        ("--results .", [], ".: cannot be read"),
        ("--study yeti", [], "argument --study: invalid choice: 'yeti'"),
        ("--study fbr", [], "results.jsonl: expected lines of scripts/study/fbr.sh"),
        ("", [("write", "results.jsonl", "")], "results.jsonl: expected lines of scripts/study/ablation.sh"),
        ("--out @results.jsonl", [], "results.jsonl: expected another file to write"),
        ("", [("write", "fig6.png/x")], "fig6.png: expected a file that can be written"),
    ],
    "report.studies.picture": [
        ("--count 3", [], "argument --count: "),
        ("--rows ce", [], "--rows: expected two rows or more, found ce"),
        ("", [("remove", "tiny/context")], "tiny/context: expected an image with 200 pixels"),
        ("--rows none ce", [], "none/cam: expected maps named <id>_<class>.png"),
        ("--out @tiny/context/a_simple.png", [], "a_simple.png: expected a file outside of"),
        (f"--out @{CAM}", [], "a_simple_0.png: expected a file outside of"),
        ("", [("label", CONTEXT, 4)], "a_simple.png: expected values 0 to 3, found 4"),
        ("", [("write", LIST, "a_simple\n")], "line 1: expected at least one class of a_simple"),
    ],
    "report.tables.summary": [
        ("--run @mine", [], "mine/scores: expected folders with scores.json of evaluate.labels, found none"),
        ("", [("write", "run/summary.json/x")], "summary.json: expected a file that can be written"),
    ],
    "report.tables.gallery": [
        ("--count 3", [], "argument --count: "),
        ("--before none", [], "none: no such folder"),
        ("--out @tiny/saliency/a_simple.png", [], "a_simple.png: expected a file outside of"),
        ("--out @run/pred1/a_simple.png", [], "a_simple.png: expected a file outside of"),
    ],
    "report.tables.figure4": [
        ("--count 3", [], "argument --count: "),
        ("--column a", [], "argument --column: expected 2 arguments"),
        ("--column a label_masked", [], "--column: expected two or more, of different titles"),
        ("--column image label_masked", [], "--column: expected two or more, of different titles"),
        ("--column c none", [], "none: no such folder"),
        ("--out @tiny/saliency/a_simple.png", [], "a_simple.png: expected a file outside of"),
        ("--out @run/pred2/a_simple.png", [], "a_simple.png: expected a file outside of"),
        ("", [("write", LIST, "a_simple\n")], "train.txt: expected at least one image with a class and ground truth"),
    ],
    "report.run.compare": [
        ("@compared/a", [], "unrecognized arguments: "),
        ("", [("remove", "compared/a")], "compared/a: expected a run"),
        ("", [("write", f"{PREDICTED}/scores/pred2/stage.json", "{}")], "stage.json: expected the record of a stage"),
        (
            "",
            [("replace", f"{PREDICTED}/scores/pred2/scores.json", "50.0, ", "[], ")],
            "expected the scores of evaluate.",
        ),
        ("", [("replace", f"{PREDICTED}/scores/pred2/images.jsonl", "60.0", "[]")], "expected the scores of images"),
    ],
    "report.run.html": [
        ("--images -1", [], "argument --images: "),
        ("--run @mine", [], "mine: expected a run, folders with the stage.json of a command"),
        ("--out @compared/b/scores/pred2/report", [], "report: expected an --out outside of"),
        ("", [("write", f"{PREDICTED}/scores/pred2/stage.json", "{}")], "stage.json: expected the record of a stage"),
        ("", [("replace", f"{PREDICTED}/scores/pred2/scores.json", '"disc": 50.0', '"disc": []')], "finite numbers"),
        ("", [("write", "tiny/lists/val.txt", b"\xff\xfe\x00")], "val.txt: expected UTF-8 text"),
    ],
    "report.run.publish": [
        ("--run @mine", [], "mine: expected a run, folders with the stage.json of a command"),
        ("--run @compared/a", [], "scores/pred2: evaluate.labels has not finished there"),
        ("--stages pred1", [], "--stages pred1: expected trainings of "),
        ("--stages ../cls", [], "argument --stages: "),
        ("--out @finished/cls/out", [], "finished/cls/out: expected an --out outside of"),
        ("--out @label", [], "label: expected a folder to write to, empty or with SHA256SUMS"),
        ("", [("replace", "finished/cls/stage.json", '"arguments": {', '"arguments": 5, "a": {')], "the record of a"),
        (
            "",
            [("replace", "finished/scores/pred1/scores.json", "50.0", "[]")],
            "expected the scores of evaluate.labels",
        ),
        ("", [("write", "finished/a\nb.md", "")], "a\\nb.md': expected names without line breaks"),
    ],
    "report.studies.instances": [
        ("--row 'a row'", [], "argument --row: expected 2 arguments"),
        ("--run @mine", [], "mine: expected scores of evaluate.instances of one of the rows, found none"),
        ("--row other pred1_val", [], "scores.json: expected the scores of evaluate.instances"),
        ("", [("write", "run/instances.md/x")], "instances.md: expected a file that can be written"),
    ],
    "weights.fetch": [
        ("--out @weights", [], "weights: expected a name that ends in .pth"),
        ("", [("write", "vgg16.pth", "mine")], "vgg16.pth: expected SHA-256 397923af"),
    ],
    "weights.pretrain_toy": [("--steps 8 --lr 1e30", [], "the loss is")],
}
LOCKED = [  # command, the folder without permission, arguments, message
    ("cls.train", "tiny", "", "/tiny"),
    ("pseudo.nsrm", "tiny/JPEGImages", "", "JPEGImages"),
    ("cls.infer", "cls.pth", "", "/cls.pth"),
    ("pseudo.pom", "mine", "--out @mine/out", "/mine"),
    ("report.studies.tables", "mine", "--out @mine/out", "/mine"),
]
IN_A_PROCESS = [
    ("data.check", "", [("write", LIST, b"\xff\xfe\x00")], "train.txt: expected UTF-8 text"),
    ("seg.predict", "", [("bomb", IMAGE, 12000)], "a_simple.jpg: expected at most 67108864 pixels"),
    ("report.studies.collect", "", [("write", "run/table3.json", b"\x00\xff")], "table3.json: expected JSON"),
    ("pseudo.nsrm", "--kernel-size 0", [], "argument --kernel-size: "),
    ("data.prepare_toy", "--out @mine", [], "mine: exists, but stage.json is not there"),
]

OPTIONS = {  # what an option of this name takes, in each command that has it
    "a whole number from 0 to 4294967295": "--seed",
    "a whole number from 1 to 1000000000": "--bank-size --batch-size --blocks --centres --channels "
    "--crf-bilateral-srgb --crf-bilateral-sxy --crf-gaussian-sxy --crop-size --crops --depths --embedding --epochs "
    "--iterations --longest --negatives --nodes --prototype-pixels --queries --rates "
    "--refine-steps --save-every --steps --width",
    "a whole number from 0 to 1000000000": "--contrast-from --crf-bilateral-weight --crf-gaussian-weight "
    "--crf-iterations --decay-epochs --fc-channels --images --workers",
    "a whole number from 8 to 8192": "--input-size",
    "a whole number from 0 to 255": "--saliency-threshold",
    "a whole number from 1 to 1000": "--kernel-size",
    "a whole number from 1 to 9999": "--train --val",
    "a whole number from 32 to 4096": "--height --width",
    "a whole number from 2 to 6": "--max-classes",
    "a whole number from 2 to 64": "--radius",
    "a whole number from 0 to 16": "--exponent",
    "a multiple of 16 from 16 to 8192": "--crop-size",
    "an even number from 2 to 1000": "--count",
    "a number from 0": "--intra-weight --momentum --nroi-weight --segmentation-weight --similarity-weight "
    "--weight-decay",
    "a number above 0": "--beta --centre --lr --non-salient-blend --non-salient-radius --power --refine-sigma "
    "--crf-memory --salient-radius --save-minutes --sigma --temperature",
    "a number from 0 to 1": "--attention-threshold --background --background-threshold --band --complex-share "
    "--confidence --conflict-threshold --context --context-alone --crf-min-probability --entropy-quantile "
    "--extra-instance --hard-quantile --loose --map-thresholds --saliency-leak --saliency-missing --saliency-noise "
    "--score-threshold --strict --threshold --val",
    "a number from 0.01 to 10": "--pyramid --scales",
    "a name of letters, digits, '_', '-' and '.', no path": "--name --setting --stages --tables --val",
    "a number above 0, at most 1": "--iou",
    "64 hexadecimal digits": "--sha256 --saliency-sha256",
}
