"""The cases of tests/test_bad_input.py: for each command arguments that work, and faults that only it can meet."""

NETWORK = "--channels 4 4 4 4 4 --depths 1 1 1 1 1 --workers 0 --device cpu"
TRAIN, LABELS = "--data @tiny --split train --out @out", "--data @tiny --split train --out @out --workers 1"
CLS = f"{TRAIN} --epochs 1 --batch-size 2 --input-size 32 --nodes 2 --init @cls.pth {NETWORK}"
SEG = f"{TRAIN} --backbone vgg16 --fc-channels 4 --rates 1 --iterations 1 --batch-size 2 --crop-size 33 {NETWORK}"
AMN = f"--seeds @label --backbone vgg16 --init @cls.pth --rates 1 --crop-size 32 --epochs 1 --batch-size 2 {NETWORK}"
COMMANDS = {  # arguments with which the command works; @ stands for the test's folder
    "data.prepare_toy": "--out @out --train 1 --val 1 --workers 1",
    "data.prepare_voc12": "--devkit @VOCdevkit/VOC2012 --saliency @saliency_aug --sbd @sbd --out @out",
    "data.prepare_coco14": "--images @coco/images --annotations @coco/annotations --saliency @coco/saliency --out @out "
    "--workers 1",
    "data.prepare_folder": "--images @tiny/JPEGImages --tags @tags.csv --saliency @tiny/saliency --val 0 --out @out "
    "--classes @tiny/classes.txt --workers 1",
    "data.saliency": "--data @tiny --weights @u2net.onnx",
    "data.check": "--data @tiny --workers 1",
    "cls.train": CLS,
    "fbr.train": f"{CLS} --labels saliency --contrast-from 0 --embedding 2 --bank-size 9 --queries 9 --negatives 2",
    "cls.train_iam": f"{CLS} --attention @attention",
    "cls.infer": f"{TRAIN} --weights @cls.pth --input-size 32 --workers 0 --device cpu",
    "cls.train_amn": f"{TRAIN} {AMN}",
    "fbr.train_amn": f"{TRAIN} {AMN} --embedding 2 --bank-size 9 --queries 9 --negatives 2",
    "cls.infer_amn": f"{TRAIN} --weights @amn.pth --seeds @label --workers 0 --device cpu",
    "fbr.refine": f"{LABELS} --maps @maps",
    "irn.seed": f"{LABELS} --maps @maps",
    "irn.train": f"{TRAIN} --seeds @label --backbone vgg16 --init @cls.pth --branch-width 4 --crop-size 32 --radius 3 "
    f"--epochs 1 --batch-size 2 {NETWORK}",
    "irn.walk": f"{TRAIN} --maps @maps --weights @irn.pth --workers 0 --device cpu",
    "irn.instances": f"{TRAIN} --maps @maps --weights @irn.pth --workers 0 --device cpu",
    "irn.export_coco": f"{LABELS} --instances @instances",
    "irn.label_maps": f"{LABELS} --labels @label",
    "pseudo.background": f"{LABELS} --oa-cam @maps",
    "pseudo.pom": f"{LABELS} --label @label --cam @maps",
    "pseudo.agreement": f"{LABELS} --pred @label --label @label",
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
    "report.studies.degrade": f"{LABELS} --lost 0.5 --blur 0.05",
    "report.studies.picture": "--data @tiny --split train --run @run --rows ce all --out @out.png --count 2",
    "report.tables.summary": "--run @run",
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
LABEL, SCORES = "label/a_simple.png", "run/scores/pred1_val/scores.json"
INSTANCES, OBJECTS = "instances/a_simple", "tiny/InstanceMasks/a_simple.png"
CONTEXT, CAM, PREDICTED = "tiny/context/a_simple.png", "run/all/cam/a_simple_0.png", "compared/b"
COCO, COCO_ID = "coco/annotations/instances_train2014.json", "COCO_train2014_000000000009"
FAULTS = {  # command: [(more arguments, damages to make first, message)]
    "data.prepare_toy": [
        ("--salient-radius 9 5", [], "--salient-radius: expected two ascending numbers"),
    ],
    "data.prepare_voc12": [
        ("--download @downloads", [("remove", "sbd")], "sbd: no such file"),
        (f"--saliency-sha256 {'0' * 64}", [], "--saliency-sha256: "),
        (f"--saliency-sha256 {'0' * 64} --download @downloads", [], "--saliency-sha256: "),
        ("--devkit @mine", [], "mine/ImageSets/Segmentation"),
        ("--sbd @mine", [], "--sbd"),
        ("--saliency @mine", [], "2007_000001.png: no such file"),
        ("--subset animals", [], "images missing or unusable: "),
        ("--longest 320", [], "--longest: expected --subset beside it"),
    ],
    "data.prepare_coco14": [
        ("--images @mine", [], "mine/train2014: no such folder; expected --images to hold train2014 and val2014"),
        ("--annotations @mine", [], "instances_train2014.json"),
        ("--saliency @mine", [], f"{COCO_ID}.png: no such file"),
        ("", [("image", f"coco/images/train2014/{COCO_ID}.jpg", "L")], "expected the annotations' size 16x12, found"),
        ("", [("image", f"coco/saliency/{COCO_ID}.png", "RGB", (16, 12))], "expected an 8-bit grey image, found"),
    ],
    "data.prepare_folder": [
        ("--images @mine", [], "mine: expected at least one photograph, named "),
        ("--ground-truth @mine", [], "mine: expected <id>.png of at least one image"),
        ("", [("image", SALIENCY, "RGBA")], "a_simple.png: expected a grey map of 8 bits, found mode RGBA"),
        ("", [("write", "tags.csv", "file\n")], "tags.csv: expected the columns file and tags, found 'file'"),
        ("", [("replace", "tags.csv", "disc", "yeti")], "classes.txt: expected every tag to be a class, yeti is none"),
        ("", [("replace", "tags.csv", "b_simple.jpg", "a_simple.jpg")], "a_simple.jpg stands in the table twice"),
        ("", [("replace", "tags.csv", "b_simple.jpg", "b.jpg")], "found b.jpg"),
    ],
    "data.saliency": [
        ("", [("remove", SALIENCY)], "u2net.onnx: no such file"),
        ("", [("remove", "tiny/lists")], "lists: expected at least one list"),
    ],
    "data.check": [
        ("", [("remove", "tiny/lists")], "lists: expected at least one list"),
    ],
    "fbr.train": [
        ("--heads shared", [], "--similarity-weight 0.1: expected 0 without two projections (--heads shared)"),
        ("--band 0.7 0.3", [], "--band: expected two ascending numbers, found 0.7 0.3"),
        ("", [("remove", "tiny/saliency")], "tiny/saliency/"),
        ("--diagnose", [("remove", TRUTH)], "a_simple.png: no such file"),
        ("--diagnose", [("write", "tiny/context/a_simple.png", b"\x00")], "tiny/context/"),
    ],
    "cls.train": [
        ("--long-side 9 5", [], "--long-side: expected two ascending numbers, found 9 5"),
        ("--backbone resnet50", [], "cls.pth: expected a backbone of this size: features.layer1.conv1.conv.weight"),
        (
            "--backbone resnet50 --blocks 1 1 1 1 --width 4 --input-size 40",
            [],
            "--input-size: expected a multiple of --output-stride, 16, found 40",
        ),
        ("--backbone resnet50 --network iam", [], "expected as its arch.backbone vgg16 or timm:NAME, found 'resnet50'"),
    ],
    "cls.train_iam": [
        ("", [("image", "attention/a_simple_0.png", "L", (5, 4))], "a_simple_0.png: expected 4x4"),
    ],
    "cls.infer": [
        ("--weights @seg.pth", [], "seg.pth: expected weights of cls.train"),
    ],
    "cls.train_amn": [
        ("--crop-size 36", [], "--crop-size: expected a multiple of the output stride, 8, found 36"),
        ("--backbone resnet50", [], "cls.pth: expected a backbone of this size: features.layer1.conv1.conv.weight"),
        ("", [("remove", LABEL)], "a_simple.png: no such file"),
    ],
    "fbr.train_amn": [
        ("--labels saliency", [], "--labels saliency: expected cam or refined with AMN"),
    ],
    "cls.infer_amn": [
        ("--weights @irn.pth", [], "irn.pth: expected weights of cls.train_amn or fbr.train_amn"),
        ("", [("remove", LABEL)], "a_simple.png: no such file"),
        ("", [("label", LABEL, 4)], "a_simple.png: expected values 0 to 3 and 255, found 4"),
    ],
    "irn.seed": [
        ("--loose 0.5", [], "--loose 0.5: expected at most --strict 0.3"),
    ],
    "irn.train": [
        ("--radius 4", [], "--radius: expected less than an eighth of --crop-size, found 4"),
        ("--init @irn.pth --depths 2 1 1 1 1", [], "irn.pth: expected a backbone of this size: features."),
        ("--backbone resnet50", [], "cls.pth: expected a backbone of this size: features.layer1.conv1.conv.weight"),
    ],
    "irn.walk": [
        ("--weights @seg.pth", [], "seg.pth: expected weights of irn.train"),
        ("", [("write", LIST, "a_simple\n")], "line 1: expected at least one class of a_simple"),
    ],
    "irn.export_coco": [
        ("--min-score 0.6", [], "instances: expected instances of score 0.6 or more, found none"),
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
    ],
    "seg.train": [
        ("--crop-size 15", [], "--crop-size: expected at least 16, found 15"),
        ("", [("remove", LABEL)], "a_simple.png: no such file"),
        ("--convention caffe", [], "seg.pth: expected weights of the caffe convention"),
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
        ("--out @old", [("write", "old/stage.json", '{"command": "cls.train"}')], "/old"),
        ("", [("write", LIST, "a_simple 0\n"), ("label", TRUTH, 255)], "expected ground truth with at least one pixel"),
        (f"--pred @maps --threshold-from @{SCORES}", [], "scores.json: expected scores of class maps"),
    ],
    "evaluate.instances": [
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
        ("--ap", [], "scores.json: expected the scores of evaluate.instances"),
        ("", [("write", "run/table3.md/x")], "table3.md: expected a file that can be written"),
    ],
    "report.studies.collect": [
        ("--out @run/table3.json", [], "table3.json: expected another file to write"),
        ("--runs @mine", [], "mine: expected scores of rows below it, found none"),
        ("", [("write", "run/cls/stage.json", "{}")], "run: expected stage.json of finished stages in cls and"),
    ],
    "report.studies.tables": [
        ("--results .", [], ".: cannot be read"),
        ("--study fbr", [], "results.jsonl: expected lines of scripts/study/fbr.sh"),
        ("", [("write", "results.jsonl", "")], "results.jsonl: expected lines of scripts/study/ablation.sh"),
        ("--out @results.jsonl", [], "results.jsonl: expected another file to write"),
    ],
    "report.studies.picture": [
        ("--rows ce", [], "--rows: expected two rows or more, found ce"),
        ("", [("remove", "tiny/context")], "tiny/context: expected an image with 200 pixels"),
        ("--rows none ce", [], "none/cam: expected maps named <id>_<class>.png"),
        (f"--out @{CAM}", [], "a_simple_0.png: expected an --out outside of"),
        ("", [("label", CONTEXT, 4)], "a_simple.png: expected values 0 to 3, found 4"),
    ],
    "report.tables.summary": [
        ("--run @mine", [], "mine/scores: expected folders with scores.json of evaluate.labels, found none"),
    ],
    "report.tables.gallery": [
        ("--out @run/pred1/a_simple.png", [], "a_simple.png: expected an --out outside of"),
    ],
    "report.tables.figure4": [
        ("--column image label_masked", [], "--column: expected two or more, of different titles"),
        ("--out @run/pred2/a_simple.png", [], "a_simple.png: expected an --out outside of"),
        ("", [("write", LIST, "a_simple\n")], "train.txt: expected at least one image with a class and ground truth"),
    ],
    "report.run.compare": [
        ("", [("remove", "compared/a")], "compared/a: expected a run"),
        ("", [("replace", f"{PREDICTED}/scores/pred2/images.jsonl", "60.0", "[]")], "expected the scores of images"),
    ],
    "report.run.html": [
        ("--out @compared/b/scores/pred2/report", [], "report: expected an --out outside of"),
        ("", [("write", f"{PREDICTED}/scores/pred2/stage.json", "{}")], "stage.json: expected the record of a stage"),
        ("", [("replace", f"{PREDICTED}/scores/pred2/scores.json", '"disc": 50.0', '"disc": []')], "finite numbers"),
    ],
    "report.run.publish": [
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
    ],
    "weights.fetch": [
        ("--out @weights", [], "weights: expected a name that ends in .pth"),
        ("--out @vgg16.onnx", [], "vgg16.onnx: expected a name that ends in .pth"),
        ("", [("write", "vgg16.pth", "mine")], "vgg16.pth: expected the hash 397923af"),
    ],
    "weights.pretrain_toy": [("--steps 8 --lr 1e30", [], "the loss is")],
}
