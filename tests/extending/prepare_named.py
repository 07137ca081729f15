"""Make a data set of JPEGs whose names begin with their class, as in beach_0017.jpg."""

import shutil
from pathlib import Path

from stages.command import main, stage_parser


def parser():
    parser = stage_parser(__doc__, data=False)
    parser.add_argument("--images", type=Path, required=True, help="folder of JPEGs")
    return parser


def run(args):
    paths = sorted(args.images.glob("*.jpg"))
    classes = sorted({path.name.split("_")[0] for path in paths})
    lines = [f"{path.stem} {classes.index(path.name.split('_')[0])}\n" for path in paths]
    (args.out / "lists").mkdir(exist_ok=True)
    (args.out / "classes.txt").write_text("".join(f"{name}\n" for name in classes))
    (args.out / "lists/train.txt").write_text("".join(lines))
    shutil.copytree(args.images, args.out / "JPEGImages", dirs_exist_ok=True)
    return f"{len(paths)} images"


if __name__ == "__main__":
    main(parser(), run)
