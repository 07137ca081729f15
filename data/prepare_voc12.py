"""Makes a data set folder from a PASCAL VOC 2012 devkit (paper section 4.2).

Writes lists with image-level labels, and symbolic links to the devkit's images and masks and to the saliency maps;
InstanceMasks leads to SegmentationObject, if the devkit has it. With --no-saliency there are no saliency maps:
image-level labels alone need none. The devkit may be read-only; nothing in it is changed. Everything is checked before
anything is written.

  lists/train.txt, lists/val.txt   ImageSets/Segmentation
  lists/train_aug.txt              with --sbd: VOC train + SBD train + SBD val - VOC val, the paper's 10 582 images
  lists/test.txt                   ids alone, if the devkit has the test list and its images

--subset animals makes a smaller data set: the images and classes in data/subsets/animals, with the lists and labels
given there, so that neither SBD nor annotations are read. All other classes are background, and context/<id>.png marks
where they are, for measuring only. Masks are written, not linked; with --longest, so are images and saliency maps.

--download fetches what of --devkit, --sbd and --saliency is not given. Nothing is fetched twice, and an interrupted
download resumes. The archives of the devkit and SBD must have their published MD5; the saliency archive
has none, so its SHA-256 is printed and recorded beside it. The test images need a login at the evaluation server:
extract their archive over the devkit and repeat the command with --force.

The devkit: https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/. SBD: B. Hariharan et al., Semantic Contours from Inverse
Detectors, ICCV 2011. The saliency maps must cover the training images (train, train_aug).
"""

from pathlib import Path
from xml.etree import ElementTree

from common.files.dataset import SAFE_ID, numbered_lines
from common.files.voc import CLASSES
from data.download import ARCHIVES, fetch, folder_of_maps, sha256_digits
from data.linked import check_pngs, counts, for_all, image_sizes, link, table
from data.subset import NAMES, Sources, write_subset
from stages.arguments import positive_int
from stages.command import main, stage_parser
from stages.files import InputError, write_lines
from stages.parallel import add_workers_argument

# Images, of those with one class and with several, and per class: the lists published with the paper's code.
PUBLISHED = {
    "train_aug": [10582, 6746, 3836]
    + [586, 486, 698, 461, 654, 385, 1086, 1000, 1081, 264, 528, 1177, 444, 482, 3898, 487, 299, 491, 500, 548],
    "val": [1449],
    "test": [1456],
}
TRAINING_SPLITS = ("train", "train_aug")


def build_parser():
    parser = stage_parser(__doc__, data=False)
    add = parser.add_argument
    add("--devkit", type=Path, help="the folder VOCdevkit/VOC2012, with JPEGImages and Annotations")
    add("--saliency", type=Path, help="folder of saliency maps <id>.png, 8-bit grey, of the images' sizes")
    add("--no-saliency", action="store_true", help="neither link nor fetch saliency maps")
    add("--sbd", type=Path, help="SBD: a folder with train.txt and val.txt, or with benchmark_RELEASE")
    # not a Path: it is no input, and need not exist
    download = "download to DIR, or to downloads/, what is not given"
    add("--download", nargs="?", const="downloads", metavar="DIR", help=download)
    add("--saliency-sha256", type=sha256_digits, metavar="HEX", help="required SHA-256 of the saliency archive")
    add("--subset", choices=NAMES, help="a part of the images and classes instead of all")
    longest = "shrink the subset's images to a longer side of at most N pixels"
    add("--longest", type=positive_int, metavar="N", help=longest)
    add_workers_argument(parser)
    return parser


def run(args):
    if args.longest and not args.subset:
        raise InputError("--longest: expected --subset beside it; a whole devkit is linked")
    devkit, sbd, saliency = folders(args)
    if args.subset:
        return write_subset(args.subset, Sources(devkit, saliency, args.longest), args.workers, args.out)
    splits = read_splits(devkit, sbd)
    labelled = sorted({id for name, ids in splits.items() if name != "test" for id in ids})
    sizes = image_sizes(devkit / "JPEGImages", sorted({*labelled, *splits.get("test", [])}))
    masks = mask_folders(devkit)
    for name in masks.values():
        check_pngs(devkit / name, [*splits["train"], *splits["val"]], sizes, "P")
    if saliency:
        check_pngs(saliency, sorted({id for name in TRAINING_SPLITS for id in splits.get(name, [])}), sizes, "L")
    objects = for_all(lambda id: objects_in_xml(devkit / "Annotations" / f"{id}.xml"), labelled, "annotations")
    labels = dict(zip(labelled, objects))

    for name, source in {"JPEGImages": "JPEGImages", **masks}.items():
        link(args.out / name, (devkit / source).resolve())
    if saliency:
        link(args.out / "saliency", saliency.resolve())
    write_lines(args.out / "classes.txt", CLASSES)
    (args.out / "lists").mkdir(exist_ok=True)
    for name, ids in splits.items():
        with_labels = (id if name == "test" else " ".join([id, *map(str, labels[id])]) for id in ids)
        write_lines(args.out / "lists" / f"{name}.txt", with_labels)
    print(counts_table(splits, labels))
    return ", ".join(f"{name} {len(ids)}" for name, ids in splits.items()) + " images"


def folders(args):
    """(devkit, sbd, saliency), downloaded where --download asks for it; sbd and saliency may be None.

    Raises InputError if a folder is missing or two arguments contradict each other.
    """
    devkit, sbd, saliency = args.devkit, args.sbd, args.saliency
    if args.no_saliency and (saliency or args.saliency_sha256):
        raise InputError("--no-saliency: expected neither --saliency nor --saliency-sha256 beside it")
    if args.saliency_sha256 and (saliency or not args.download):
        raise InputError("--saliency-sha256: expected --download and no --saliency beside it")
    if args.download:
        downloads = Path(args.download)
        if not (saliency or args.no_saliency):  # first, because its address is the least certain
            saliency = folder_of_maps(fetch(ARCHIVES["saliency"], downloads, args.saliency_sha256))
        devkit = devkit or fetch(ARCHIVES["devkit"], downloads) / "VOCdevkit" / "VOC2012"
        if not (sbd or args.subset):
            sbd = fetch(ARCHIVES["sbd"], downloads)
    if not devkit:
        raise InputError("--devkit is required, or --download to fetch it")
    if not (saliency or args.no_saliency):
        raise InputError("--saliency is required, or --download to fetch it, or --no-saliency to do without")
    return devkit, sbd, saliency


def read_splits(devkit, sbd=None):
    """{"train": ids, "val": ids, …}, ids in the order of the devkit's lists; train_aug sorted.

    Raises InputError if a list is missing or unusable, or if some of the test images are missing; a test list without
    any of its images is skipped, as the test images are published separately.
    """
    lists = devkit / "ImageSets" / "Segmentation"
    if not lists.is_dir():
        raise InputError(f"{lists}: no such folder; expected --devkit to be VOC2012, with ImageSets in it")
    splits = {name: read_ids(lists / f"{name}.txt") for name in ("train", "val")}
    if common := set(splits["train"]) & set(splits["val"]):
        raise InputError(f"{lists / 'val.txt'}: {min(common)} stands in train.txt too")
    if sbd:
        folder = sbd_lists(sbd)
        images = {*splits["train"], *read_ids(folder / "train.txt"), *read_ids(folder / "val.txt")}
        splits["train_aug"] = sorted(images - set(splits["val"]))
    if (lists / "test.txt").exists():
        test = read_ids(lists / "test.txt")
        if any((devkit / "JPEGImages" / f"{id}.jpg").exists() for id in test):
            splits["test"] = test
        else:
            print(f"{lists / 'test.txt'}: skipped, none of its images is there")
    return splits


def sbd_lists(folder):
    """The folder with SBD's train.txt and val.txt, as torchvision extracts them or as the official archive has them."""
    candidates = [folder, folder / "dataset", folder / "benchmark_RELEASE" / "dataset"]
    for candidate in candidates:
        if (candidate / "train.txt").exists() and (candidate / "val.txt").exists():
            return candidate
    places = ", ".join(map(str, candidates))
    raise InputError(f"--sbd {folder}: expected train.txt and val.txt in one of {places}")


def read_ids(path):
    """The ids of an image set, one a line. Raises InputError if it is missing, empty, or names an image twice."""
    ids = {}
    for number, id in numbered_lines(path):
        if not SAFE_ID.fullmatch(id):
            raise InputError(f"{path} line {number}: expected one id a line, such as 2007_000032, found {id!r:.40}")
        if id in ids:
            raise InputError(f"{path} line {number}: {id} stands in the list twice")
        ids[id] = number
    if not ids:
        raise InputError(f"{path}: expected at least one id, the list is empty")
    return list(ids)


def mask_folders(devkit):
    """{folder of a data set: the devkit's folder} of the masks: of classes, and of objects if it has them."""
    if (devkit / "SegmentationObject").is_dir():
        return {"SegmentationClass": "SegmentationClass", "InstanceMasks": "SegmentationObject"}
    print(f"{devkit / 'SegmentationObject'}: no such folder; instances cannot be scored")
    return {"SegmentationClass": "SegmentationClass"}


def objects_in_xml(path):
    """The classes, 0-based and ascending, of all objects in a VOC annotation.

    Objects marked 'difficult' count: they are in the image, and the label files in use since AffinityNet (Ahn and
    Kwak, CVPR 2018) count them too. Parts of objects (head, hand, foot) have names but are not objects.
    Raises InputError if the file is missing or malformed, names an unknown class or has no object.
    """
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314 - Expat itself refuses entities that grow
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: encodings
        raise InputError(f"{path}: expected a VOC annotation in XML, found {error}") from None
    names = {(item.findtext("name") or "").strip() for item in root.findall("object")}
    if not names:
        raise InputError(f"{path}: expected at least one <object> in <annotation>")
    if unknown := names - set(CLASSES):
        raise InputError(f"{path}: expected the classes of VOC 2012, found {min(unknown)!r}")
    return sorted(CLASSES.index(name) for name in names)


def counts_table(splits, labels):
    """The counts of each split, with the published numbers beside them where there are some."""
    columns = []
    for split, ids in splits.items():
        numbers = [] if split == "test" else counts([labels[id] for id in ids], len(CLASSES))
        columns.append([split, len(ids), *numbers])
        if split in PUBLISHED:
            columns.append(["published", *PUBLISHED[split]])
    return table(["", "images", "simple", "complex", *CLASSES], columns)


if __name__ == "__main__":
    main(build_parser(), run, one_process=True)
