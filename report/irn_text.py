"""Prose of the page that report.irn makes of scripts/study/irn.sh; the numbers in it are those of docs/irn.md."""

HEAD = """# Without saliency, and down to instances: IRN

```bash
DATA=data/mine scripts/paper/fbr_image_level.sh   # images and tags to final scores; no saliency folder is needed
DATA=data/mine scripts/paper/instances.sh         # instances and their AP
```

CAMs become seeds, seeds teach class boundaries and displacements, CAMs walk between the boundaries: `irn.seed`,
`irn.train`, `irn.walk`, `irn.instances` ([paper.md](paper.md#irn-published-code-here)). What follows is measured on toy
data; photographs take the published settings, which were never run here.

Made by `scripts/study/irn.sh {seeds}`: {count} seeds; a seed changes the data, the initialisation and the order.
With saliency the labels are those of BE, POM and NSRM; without, those of IRN, and NSRM without its saliency term.
`ce` is the plain classifier, `fbr` the one trained with FBR from image-level labels. The objects lie on a patch of a
texture that belongs to their class and is background (`data.prepare_toy --context 0.9 --context-alone 0.1`), as in
[FBR's study](fbr.md); `plain` is `ce` on data without any. IRN's settings were chosen on seed 0, with context, for the
labels' mIoU with both classifiers.
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
    "plain": "`plain` is `ce` on toy data without context. Both kinds of labels and predictions, each scored as above.",
    "instances": "Mean AP of the instances of the training images over the classes, at thresholds of the IoU of masks. "
    "`truth` is an upper bound: IRN trained on the true class masks, which also stand in for the class maps. "
    "It bounds the rows of the same data; masks rank nothing, half of its scores are 1.",
    "picture": "The six training images of the first seed with the most instances, from the classifier with FBR: "
    "class boundaries, displacements, instances with their scores, true instances. Where a CAM lies on the context of "
    "its class, so does the instance; faint objects are missed.",
}

FINDINGS = """
## What it says

- **What saliency is worth depends on where the CAMs lie.** On data without context they lie on the objects, and IRN
  needs no saliency: 75.0 of validation mIoU without it, 70.1 with it, in every seed (4.9 ± 1.1 more). Saliency shows
  one object of an image; IRN's labels have the others, too. On data with context saliency is worth **16 to 18 points**:
  64.0 against 45.9 with the plain classifier, 64.5 against 48.6 with FBR, in every seed.
- The difference is in the labels of the first round: without context 73 with saliency and 70 from IRN, which ignores
  nothing; with context 69, and 43 or, with FBR, 47.
- **FBR helps where no saliency cleans up after it**: IRN's labels +3.5 ± 2.4, in every seed, masked labels +4.5 ± 4.1,
  the final prediction +2.7 ± 4.1 (four of five seeds). With saliency it adds +0.1 ± 1.4 to the pseudo labels and +0.5 ±
  0.5 to the final prediction. Five seeds do not settle the difference of the two (-2.2 ± 3.8).
- **NSRM without its saliency term** gains 3.0 points where the labels are good (72.0 to 75.0; with saliency 66.4 to
  70.1) and none where they are not (46.6 to 45.9, with FBR 49.6 to 48.6; with saliency 62.8 to 64.0 and 63.0 to 64.5).
- **IRN does its part**: from the CAMs' 37.6 at the best threshold, which is chosen on the ground truth, to 43.0 at a
  fixed one; with FBR from 40.3 to 46.5; without context from 54.3 to 69.7.
- **Instances**: AP at 0.5 is 25.4, with FBR 29.8 (+4.4 ± 2.7, every seed), with true class masks for CAMs and seeds
  54.2; without context 59.6. So with context about half of what could be had is lost in the class maps.
- **Seeds differ much without saliency** on data with context (35 to 56), little with it (61 to 67): a classifier that
  looks at the wrong texture is put right by saliency there.

Toy data favour both sides: their saliency maps cover little but objects, and their objects have even colours, which a
CRF finds; IRN's maps of 24 × 32 pixels are a handicap. Published on VOC: FBR has 71.8 without saliency and 74.2 with
it, on two different base networks ([paper.md](paper.md#fbr-published-code-here)).
"""
