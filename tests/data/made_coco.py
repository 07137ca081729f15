"""Makes a small folder in the layout of MS COCO 2014, for tests: images, annotations and saliency maps."""

import json

import numpy as np
from PIL import Image

CLASSES = (  # written down again, so that a test of the command sees a name or an id that is wrong there
    "1 person,2 bicycle,3 car,4 motorcycle,5 airplane,6 bus,7 train,8 truck,9 boat,10 traffic light,11 fire hydrant,"
    "13 stop sign,14 parking meter,15 bench,16 bird,17 cat,18 dog,19 horse,20 sheep,21 cow,22 elephant,23 bear,"
    "24 zebra,25 giraffe,27 backpack,28 umbrella,31 handbag,32 tie,33 suitcase,34 frisbee,35 skis,36 snowboard,"
    "37 sports ball,38 kite,39 baseball bat,40 baseball glove,41 skateboard,42 surfboard,43 tennis racket,44 bottle,"
    "46 wine glass,47 cup,48 fork,49 knife,50 spoon,51 bowl,52 banana,53 apple,54 sandwich,55 orange,56 broccoli,"
    "57 carrot,58 hot dog,59 pizza,60 donut,61 cake,62 chair,63 couch,64 potted plant,65 bed,67 dining table,70 toilet,"
    "72 tv,73 laptop,74 mouse,75 remote,76 keyboard,77 cell phone,78 microwave,79 oven,80 toaster,81 sink,"
    "82 refrigerator,84 book,85 clock,86 vase,87 scissors,88 teddy bear,89 hair drier,90 toothbrush"
)
CATEGORIES = [
    {"supercategory": "made", "id": int(number), "name": name}
    for number, name in (each.split(" ", 1) for each in CLASSES.split(","))
]


def image(split, id, height=48, width=64):
    """An entry of "images"."""
    return {"license": 1, "file_name": f"COCO_{split}2014_{id:012}.jpg", "height": height, "width": width, "id": id}


def polygon(id, image_id, category, *polygons, area):
    """An entry of "annotations": an object."""
    entry = {"segmentation": [list(map(float, each)) for each in polygons], "area": area, "iscrowd": 0}
    return entry | {"image_id": image_id, "bbox": [0, 0, 1, 1], "category_id": category, "id": id}


def crowd(id, image_id, category, mask):
    """An entry of "annotations": a crowd of the pixels of mask, bool (H, W), as run lengths down the columns."""
    edges = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=False))
    counts = np.diff([0, *edges, mask.size]).tolist()
    entry = {"segmentation": {"counts": counts, "size": list(mask.shape)}, "area": int(mask.sum()), "iscrowd": 1}
    return entry | {"image_id": image_id, "bbox": [0, 0, 1, 1], "category_id": category, "id": id}


def rectangle(left, top, right, bottom):
    """A polygon."""
    return [left, top, right, top, right, bottom, left, bottom]


def write_split(root, split, images, annotations):
    """Write a JSON of COCO's form, and noise as images: the first grey, the others RGB."""
    folder = root / "images" / f"{split}2014"
    for path in (folder, root / "annotations"):
        path.mkdir(parents=True, exist_ok=True)
    content = {"info": {"year": 2014}, "images": images, "licenses": [], "annotations": annotations}
    path = root / "annotations" / f"instances_{split}2014.json"
    path.write_text(json.dumps(content | {"categories": CATEGORIES}))
    for place, each in enumerate(images):
        shape = (each["height"], each["width"]) + (() if place == 0 else (3,))
        noise = np.random.default_rng(each["id"]).integers(0, 256, shape, np.uint8)
        Image.fromarray(noise).save(folder / each["file_name"])


def write_coco(root, train=6, val=3, height=48, width=64):
    """Write <root>/images, annotations and saliency: `train` and `val` images with objects, and one without in each.

    Every image has a rectangle of a class and a smaller person on it; every second one a crowd of a third class.
    """
    number = 0
    for split, count in (("train", train), ("val", val)):
        images, annotations = [], []
        for place in range(count + 1):
            id = 10 * place + (split == "val") + 9
            images.append(image(split, id, height, width))
            if place == count:
                continue
            number += 10
            category = CATEGORIES[1 + place % 79]["id"]
            box = rectangle(width / 8, height / 8, width / 2, height * 3 / 4)
            annotations.append(polygon(number, id, category, box, area=width * height * 15 / 64))
            box = rectangle(width / 4, height / 4, width * 3 / 8, height / 2)
            annotations.append(polygon(number + 1, id, 1, box, area=width * height / 32))
            if place % 2:
                mask = np.zeros((height, width), bool)
                mask[height // 2 :, width * 5 // 8 :] = True
                annotations.append(crowd(number + 2, id, CATEGORIES[-1 - place % 79]["id"], mask))
        write_split(root, split, images, annotations)
        if split == "train":
            (root / "saliency").mkdir(exist_ok=True)
            for each in images:
                map_ = np.zeros((height, width), np.uint8)
                map_[height // 8 : height * 3 // 4, width // 8 : width // 2] = 230
                Image.fromarray(map_).save(root / "saliency" / each["file_name"].replace(".jpg", ".png"))
