"""Prose of the page that report.irn makes of scripts/study/irn.sh; the numbers in it are those of docs/irn.md."""

HEAD = """# Without saliency, and down to instances: IRN

```bash
.venv/bin/python -m data.check --data data/mine --no-saliency   # first: what is wrong ends a run after hours
DATA=data/mine scripts/paper/fbr_image_level.sh   # images and tags to final scores; no saliency folder is needed
DATA=data/mine scripts/paper/instances.sh         # instances and their AP; needs InstanceMasks
```

CAMs become seeds, seeds teach class boundaries and displacements, CAMs walk between the boundaries: `irn.seed`,
`irn.train`, `irn.walk`, `irn.instances` ([paper.md](paper.md#irn-published-code-here)). What follows is measured on toy
data; photographs take the published settings, which were never run here.

Made by `scripts/study/irn.sh {seeds}`: {count} seeds; a seed changes the data, the initialisation and the order.
With saliency the labels are those of BE, POM and NSRM; without, those of IRN, and NSRM without its saliency term.
`ce` is the plain classifier, `fbr` the one trained with FBR from image-level labels. The objects lie on a patch of a
texture that belongs to their class and is background (`data.prepare_toy --context 0.9 --context-alone 0.1`), as in
[FBR's study](fbr.md); `plain` is `ce` on data without any. IRN's settings were chosen on seed 0, with context, for the
labels' mIoU with both classifiers, the threshold of the centres for AP with FBR; they are not the published ones
(`scripts/settings/toy.sh`). The row `plain` is younger than the other rows' script: it was run by the commit below with
`TOY_ARGS="--context 0" ROWS=ce`; data and classifier of seed 1, made again by the row, are the same byte for byte.
Everything is in percent, mean ± standard deviation over the seeds.
A difference is the mean of the seeds' paired differences ± half its 95 % interval (Student's t), with the number of
seeds in which it is above 0.

"""

NOTES = {
    "labels": "On the training images: mIoU over the pixels that are not ignored; the share of ignored pixels; the "
    "share of object pixels that a label calls background. CAMs are cut at the best of some thresholds, chosen on the "
    "ground truth.",
    "without": "IRN's labels minus the pseudo labels, which the first round is trained on; masked labels minus masked "
    "labels, the second round's.",
    "final": "mIoU of DeepLab's predictions on the validation images. The last column is what saliency is worth with "
    "each classifier, the last row what FBR adds with and without saliency; the corner is their interaction: how much "
    "more FBR adds with saliency than without.",
    "plot": "A line is a seed, the diamonds are the means.",
    "plain": "`plain` is `ce` on toy data without context. Seeds and "
    "labels are scored without the pixels that they ignore.",
    "instances": "Mean AP of the instances of the training images over the classes, at thresholds of the IoU of masks. "
    "`truth` is IRN trained on the true class masks, which also stand in for the class maps: an upper bound for the "
    "maps of `ce` and `fbr`, not for their ranking, since masks rank nothing and half of its scores are 1.",
    "picture": "The six training images of the first seed with the most instances, from the classifier with FBR: "
    "class boundaries, displacements, instances with their scores, true instances. Where a CAM lies on the context of "
    "its class, so does the instance; faint objects are missed.",
}

FINDINGS = """
## What seeds 1 to 5 say

- **What saliency is worth depends on where the CAMs lie.** On data without context they lie on the objects, and IRN
  needs no saliency: 75.0 of validation mIoU without it, 70.1 with it, in every seed (4.9 ± 1.1 more). On data with
  context saliency is worth **16 to 18 points**: 64.0 against 45.9 with the plain classifier, 64.5 against 48.6 with
  FBR, in every seed.
- With context the difference is in the labels already: 69 with saliency, 43 or, with FBR, 47 from IRN. Without context
  the labels do not show it: those with saliency are better in both rounds (73.0 and 69.7, 83.0 and 82.3). A likely
  reason, not measured: the saliency maps show one object of an image, so their labels err on the others alike.
- **Without saliency FBR helps the labels**: IRN's +3.5 ± 2.4, the masked ones +4.5 ± 4.1, in every seed. Of the final
  prediction (+2.7 ± 4.1, four of five seeds) five seeds do not tell. With saliency FBR adds +0.1 ± 1.4 to the pseudo
  labels and +0.51 ± 0.54 to the final prediction.
- **NSRM without its saliency term** gains 3.0 points where the labels are good (72.0 to 75.0; with saliency 66.4 to
  70.1) and nothing that could be seen where they are not (46.6 to 45.9, -0.7 ± 2.4; with FBR 49.6 to 48.6, -1.0 ± 2.9).
- **IRN's labels are better than the CAMs, and worse than its own seeds.** From the CAMs' 37.6 at the best threshold,
  which is chosen on the ground truth, to 43.0 at a fixed one; with FBR from 40.3 to 46.5; without context from 54.3 to
  69.7. The seeds have 60.0, 63.7 and 92.9 on the pixels that they do not ignore, 79, 83 and 95 % of all. Without
  context they miss 3.5 % of the object pixels, IRN's labels 24.7 %: on even colours the seeds' CRF does more than the
  walk on maps of 24 × 32 pixels. No network was trained on the seeds.
- **Instances**: AP at 0.5 is 25.4, with FBR 29.8 (+4.4 ± 2.7, every seed). True masks for class maps and seeds give
  54.2: with context, imperfect ones cost about half. Without context it is 59.6.
- **Seeds differ much without saliency** on data with context (35 to 56), little with it (61 to 67): a classifier that
  looks at the wrong texture is put right by saliency there.

Toy data favour both sides: their saliency maps cover little but objects, and their objects have even colours, which a
CRF finds; IRN's maps of 24 × 32 pixels are a handicap. Published on VOC: FBR has 71.8 without saliency and 74.2 with
it, on two different base networks ([paper.md](paper.md#fbr-published-code-here)).
"""
