"""Bad lists, classes.txt, images, masks and maps: (kind, case, command, what is done to which file, arguments, message)."""

LIST, IMAGE, SALIENCY = "tiny/lists/train.txt", "tiny/JPEGImages/a_simple.jpg", "tiny/saliency/a_simple.png"
LABEL, TRUTH, MAP = "label/a_simple.png", "tiny/SegmentationClass/a_simple.png", "maps/a_simple_0.png"
DEVKIT_LIST = "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"
DEVKIT_IMAGE = "VOCdevkit/VOC2012/JPEGImages/2007_000001.jpg"
DEVKIT_MASK = "VOCdevkit/VOC2012/SegmentationClass/2007_000001.png"
XML = "VOCdevkit/VOC2012/Annotations/2007_000001.xml"
DIGITS = "9" * 5000

LISTS = [
    ("empty", "cls.train", ("write", LIST), "train.txt: expected at least one image"),
    ("blank lines alone", "seg.evaluate", ("write", LIST, " \n\t\n"), "train.txt: expected at least one image"),
    ("missing", "pseudo.pom", ("remove", LIST), "train.txt: cannot be read"),
    ("a folder", "pseudo.nsrm", ("folder", LIST), "train.txt: cannot be read"),
    ("a link to nowhere", "seg.gallery", ("link", LIST), "train.txt: cannot be read"),
    ("binary", "pseudo.background", ("write", LIST, b"\xff\xfe\x00\x81"), "train.txt: expected UTF-8 text"),
    ("an image twice", "cls.train_iam", ("write", LIST, "a_simple 0\na_simple 0\n"), "line 2: a_simple stands in the list twice"),
    ("a path as id", "seg.train", ("write", LIST, "../a_simple 0\n"), "line 1: expected an id"),
    ("an absolute path as id", "seg.predict", ("write", LIST, "/etc/passwd 0\n"), "line 1: expected an id"),
    ("two dots as id", "cls.infer", ("write", LIST, ".. 0\n"), "line 1: expected an id"),
    ("a backslash in an id", "pseudo.pom", ("write", LIST, "a\\b 0\n"), "line 1: expected an id"),
    ("NUL in an id", "pseudo.pom", ("write", LIST, "a\0b 0\n"), "line 1: expected an id"),
    ("an option as id", "pseudo.pom", ("write", LIST, "--force 0\n"), "line 1: expected an id"),
    ("an id of 300 letters", "cls.infer", ("write", LIST, "a" * 300 + " 0\n"), "line 1: expected an id"),
    ("an id of no image", "seg.train", ("write", LIST, "nobody 0\n"), "nobody.jpg: no such file"),
    ("a class too large", "pseudo.background", ("write", LIST, "a_simple 3\n"), "expected classes from 0 to 2, found '3'"),
    ("a negative class", "cls.train", ("write", LIST, "a_simple -1\n"), "expected classes from 0 to 2, found '-1'"),
    ("a class of 5000 digits", "cls.train", ("write", LIST, f"a_simple {DIGITS}\n"), "expected classes from 0 to 2, found '999"),
    ("a class in words", "seg.evaluate", ("write", LIST, "a_simple disc\n"), "expected classes from 0 to 2, found 'disc'"),
    ("other digits", "seg.predict", ("write", LIST, "a_simple ١\n"), "expected classes from 0 to 2"),
    ("no class", "cls.infer", ("write", LIST, "a_simple\n"), "line 1: expected at least one class of a_simple"),
    ("binary", "data.check", ("write", LIST, b"\xff\xfe\x00"), "train.txt: expected UTF-8 text"),
    ("none", "data.check", ("remove", "tiny/lists"), "lists: expected at least one list"),
    ("empty", "seg.export_voc_server", ("write", "voc/lists/val.txt"), "val.txt: expected at least one image"),
    ("missing", "data.prepare_voc12", ("remove", DEVKIT_LIST), "train.txt: cannot be read"),
    ("empty", "data.prepare_voc12", ("write", DEVKIT_LIST), "train.txt: expected at least one id"),
    ("binary", "data.prepare_voc12", ("write", DEVKIT_LIST, b"\xff\xfe"), "train.txt: expected UTF-8 text"),
    ("a path as id", "data.prepare_voc12", ("write", DEVKIT_LIST, "../x\n"), "train.txt: expected one id a line"),
    ("an id of 300 letters", "data.prepare_voc12", ("write", DEVKIT_LIST, "a" * 300), "train.txt: expected one id a line"),
    ("a path as id of SBD", "data.prepare_voc12", ("write", "sbd/train.txt", "/etc/passwd\n"), "train.txt: expected one id a line"),
]  # fmt: skip

CLASSES = [
    ("empty", "seg.train", ("write", "tiny/classes.txt"), "classes.txt: expected 1 to 254 class names"),
    ("a name twice", "cls.train", ("write", "tiny/classes.txt", "disc\ndisc\n"), "classes.txt: expected every class name once"),
    ("255 names", "pseudo.nsrm", ("write", "tiny/classes.txt", "\n".join(map(str, range(255)))), "found 255"),
    ("binary", "data.check", ("write", "tiny/classes.txt", b"\x80\x81"), "classes.txt: expected UTF-8 text"),
    ("missing", "seg.predict", ("remove", "tiny/classes.txt"), "classes.txt"),
    ("a folder", "seg.gallery", ("folder", "tiny/classes.txt"), "classes.txt: cannot be read"),
    ("3 instead of 20", "seg.export_voc_server", ("write", "voc/classes.txt", "a\nb\nc\n"), "classes.txt: expected VOC's 20 classes"),
]  # fmt: skip

IMAGES = [
    ("missing", "cls.train", ("remove", IMAGE), "a_simple.jpg"),
    ("empty", "cls.infer", ("write", IMAGE), "a_simple.jpg: expected a complete image"),
    ("truncated", "seg.train", ("truncate", IMAGE), "a_simple.jpg: expected a complete image"),
    ("text", "seg.predict", ("write", IMAGE, "not an image"), "a_simple.jpg: expected a complete image"),
    ("zero bytes", "cls.train_iam", ("write", IMAGE, bytes(4096)), "a_simple.jpg: expected a complete image"),
    ("a folder", "seg.gallery", ("folder", "tiny/JPEGImages/c_complex.jpg"), "c_complex.jpg"),
    ("a link to nowhere", "pseudo.background", ("link", IMAGE), "a_simple.jpg"),
    ("a link to itself", "seg.predict", ("link", IMAGE, "a_simple.jpg"), "a_simple.jpg"),
    ("a GIF", "cls.infer", ("image", IMAGE, "P", (64, 48), "GIF"), "a_simple.jpg: expected a complete image, PNG or JPEG"),
    ("PostScript", "cls.train", ("image", IMAGE, "RGB", (64, 48), "EPS"), "a_simple.jpg: expected a complete image, PNG or JPEG"),
    ("of 16 bits", "cls.train", ("image", IMAGE, "I;16", (64, 48), "PNG"), "a_simple.jpg: expected 8 bits a channel, found mode I;16"),
    ("a decompression bomb", "cls.infer", ("bomb", IMAGE), "a_simple.jpg: expected at most 67108864 pixels"),
    ("larger than Pillow likes", "seg.predict", ("bomb", IMAGE, 12000), "a_simple.jpg: expected at most 67108864 pixels"),
    ("just too large", "seg.predict", ("bomb", IMAGE, 8193), "a_simple.jpg: expected at most 67108864 pixels"),
    ("too small for the network", "seg.predict", ("image", IMAGE, "RGB", (64, 15)), "a_simple.jpg: expected at least 16 pixels a side, found 64x15"),
    ("truncated", "data.prepare_voc12", ("write", DEVKIT_IMAGE, b"\xff\xd8\xff"), "2007_000001.jpg: expected a complete image"),
    ("a decompression bomb", "data.prepare_voc12", ("bomb", DEVKIT_IMAGE), "2007_000001.jpg: expected at most 67108864 pixels"),
]  # fmt: skip

LABELS = [
    ("missing", "seg.train", ("remove", LABEL), "a_simple.png: no such file"),
    ("missing", "pseudo.pom", ("remove", LABEL), "a_simple.png: no such file"),
    ("none", "pseudo.nsrm", [("remove", "label"), ("write", "label/readme.txt", "empty")], "a_simple.png: no such file"),
    ("in colour", "seg.train", ("image", LABEL, "RGB"), "a_simple.png: expected an indexed (palette) PNG, found mode RGB"),
    ("grey", "seg.evaluate", ("image", LABEL, "L"), "a_simple.png: expected an indexed (palette) PNG, found mode L"),
    ("of 16 bits", "pseudo.pom", ("image", LABEL, "I;16"), "a_simple.png: expected an indexed (palette) PNG, found mode I;16"),
    ("of another size", "pseudo.nsrm", ("label", LABEL, 1, (48, 63)), "a_simple.png: expected the image's size 64x48, found 63x48"),
    ("a class too large", "seg.train", ("label", LABEL, 4), "a_simple.png: expected values 0 to 3 and 255, found 4"),
    ("a class too large", "pseudo.nsrm", ("label", LABEL, 254), "a_simple.png: expected values 0 to 3 and 255, found 254"),
    ("truncated", "seg.evaluate", ("truncate", LABEL), "a_simple.png: expected a complete image"),
    ("empty", "pseudo.pom", ("write", LABEL), "a_simple.png: expected a complete image"),
    ("a folder", "seg.train", ("folder", LABEL), "a_simple.png"),
    ("a decompression bomb", "seg.train", ("bomb", LABEL, 60000, 3), "a_simple.png: expected at most 67108864 pixels"),
    ("ground truth in colour", "seg.evaluate", ("image", TRUTH, "RGB"), "a_simple.png: expected an indexed (palette) PNG"),
    ("no ground truth", "seg.evaluate", ("remove", "tiny/SegmentationClass"), "a_simple.png: no such file"),
    ("ground truth of another size", "seg.evaluate", ("label", TRUTH, 1, (8, 8)), "a_simple.png: expected the image's size"),
    ("ground truth missing", "seg.gallery", ("remove", "tiny/SegmentationClass/c_complex.png"), "c_complex.png: no such file"),
    ("ground truth all 255", "seg.evaluate", [("label", f"tiny/SegmentationClass/{id}.png", 255, size) for id, size in
     {"a_simple": (48, 64), "b_simple": (64, 48), "c_complex": (48, 64), "d_complex": (40, 56)}.items()], "expected ground truth with at least one pixel"),
    ("prediction missing", "seg.export_voc_server", ("remove", "run/pred1/b_simple.png"), "1 are missing: b_simple.png"),
    ("prediction with 255", "seg.export_voc_server", ("label", "run/pred1/b_simple.png", 255, (64, 48)), "b_simple.png: expected values 0 to 20, found 255"),
    ("prediction missing", "seg.gallery", ("remove", "run/pred2/c_complex.png"), "c_complex.png: no such file"),
    ("mask grey", "data.prepare_voc12", ("image", DEVKIT_MASK, "L", (40, 30)), "2007_000001.png: expected an indexed (palette) PNG"),
    ("mask of another size", "data.prepare_voc12", ("label", DEVKIT_MASK, 1, (8, 8)), "2007_000001.png: expected the image's size"),
]  # fmt: skip

SALIENCIES = [
    ("missing", "pseudo.background", ("remove", SALIENCY), "a_simple.png: no such file"),
    ("in colour", "pseudo.background", ("image", SALIENCY, "RGB"), "a_simple.png: expected an 8-bit grey image, found mode RGB"),
    ("of 16 bits", "pseudo.background", ("image", SALIENCY, "I;16"), "a_simple.png: expected an 8-bit grey image, found mode I;16"),
    ("of another size", "pseudo.background", ("image", SALIENCY, "L", (63, 48)), "a_simple.png: expected the image's size 64x48, found 63x48"),
    ("indexed", "pseudo.nsrm", ("image", SALIENCY, "P"), "a_simple.png: expected an 8-bit grey image, found mode P"),
    ("truncated", "pseudo.nsrm", ("truncate", SALIENCY), "a_simple.png: expected a complete image"),
    ("missing", "seg.gallery", ("remove", "tiny/saliency"), "saliency"),
    ("missing", "data.prepare_voc12", ("remove", "saliency_aug/2007_000001.png"), "2007_000001.png: no such file"),
    ("of another size", "data.prepare_voc12", ("image", "saliency_aug/2007_000001.png", "L"), "2007_000001.png: expected the image's size"),
]  # fmt: skip

MAPS = [
    ("of another size", "cls.train_iam", ("image", "attention/a_simple_0.png", "L", (5, 4)), "a_simple_0.png: expected 4x4 as of this --input-size, found 5x4"),
    ("of 16 bits", "cls.train_iam", ("image", "attention/a_simple_0.png", "I;16", (4, 4)), "a_simple_0.png: expected an 8-bit grey image"),
    ("of 16 bits", "pseudo.pom", ("image", MAP, "I;16", (8, 8)), "a_simple_0.png: expected an 8-bit grey image"),
    ("in colour", "pseudo.background", ("image", MAP, "RGB", (8, 8)), "a_simple_0.png: expected an 8-bit grey image"),
    ("an empty folder", "pseudo.background", ("folder", "maps"), "maps: expected maps named <id>_<class>.png"),
    ("an empty folder", "cls.train_iam", ("folder", "attention"), "attention: expected maps named <id>_<class>.png"),
    ("truncated", "pseudo.pom", ("truncate", MAP), "a_simple_0.png: expected a complete image"),
    ("a decompression bomb", "pseudo.background", ("bomb", MAP), "a_simple_0.png: expected at most 67108864 pixels"),
]  # fmt: skip

ANNOTATIONS = [
    ("missing", "data.prepare_voc12", ("remove", XML), "2007_000001.xml: no such file"),
    ("truncated", "data.prepare_voc12", ("truncate", XML), "2007_000001.xml: expected a VOC annotation"),
    ("binary", "data.prepare_voc12", ("write", XML, b"\xff\xd8\x00"), "2007_000001.xml: expected a VOC annotation"),
    ("an unknown class", "data.prepare_voc12", ("replace", XML, "dog", "yeti"), "2007_000001.xml: expected the classes of VOC 2012"),
]  # fmt: skip

KINDS = {"lists": LISTS, "classes.txt": CLASSES, "images": IMAGES, "labels": LABELS, "saliency": SALIENCIES}
KINDS |= {"maps": MAPS, "annotations": ANNOTATIONS}
ALL = {("saliency", "pseudo.nsrm"): "--all-images"}  # simple images need no saliency otherwise
CASES = [(kind, *row[:3], ALL.get((kind, row[1]), ""), row[3]) for kind, rows in KINDS.items() for row in rows]
