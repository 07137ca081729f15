"""Prose of the page that report.fbr makes of scripts/study/fbr.sh; the numbers in it are those of docs/fbr.md."""

HEAD = """# FBR on the toy data

Made by `scripts/study/fbr.sh {seeds}`: {count} seeds; a seed changes the data, the initialisation and the order.
The settings were chosen on seed 0. The objects of these data lie on a patch of a texture that belongs to their class
and is background in the ground truth (`data.prepare_toy --context 0.9 --context-alone 0.1`).
Everything is in percent, mean ± standard deviation over the seeds, on the training images unless another list is named.
A difference is the mean of the seeds' paired differences ± half its 95 % interval (Student's t), with the number of
seeds in which it is above 0.

"""

NOTES = {
    "rows": "`ce` is classification alone (`cls.train`), `null` FBR at a weight of 1e-6, `published` the published "
    "settings but for the sizes. The labels are the source of the pseudo labels: the CAMs, the CAMs refined by the "
    "image's colours, the CAMs cleaned by saliency, and the ground truth, a bound. The weights are those of "
    "pixel-to-NROI, intra-foreground, similarity and segmentation.",
    "cam": "Context at 60 %: how much of the context of the image's own classes the CAMs call object at the threshold "
    "where 60 % of the object pixels are found; less is better. AUC: object against context pixels. The best "
    "threshold is chosen on the ground truth. Each difference is to `ce`.",
    "cam_refined": "The same rows; their maps are refined by the image's colours afterwards (`cls.refine`). Toy "
    "objects have even colours: a favourable case for refinement, as for saliency.",
    "label_cam": "Background extraction with the CAMs in the place of the OA-CAMs: mIoU over the pixels that are not "
    "ignored; the share of ignored pixels; the share of object pixels that the label calls background.",
    "inside": "Means over the second half of a training: shares in percent, by ground truth and context; ratio of the "
    "contrasts' gradient on the shared features to the classification's.",
    "controls": "`cut` computes both contrasts and cuts their gradient; `random` draws background pixels where the "
    "others have cluster centres; `one_centre` has one centre an image. The last column is the largest difference of "
    "any score of raw and refined maps in any seed: 0 where two rows are the same.",
    "parts": "The same columns for the parts of FBR.",
    "whole": "The classifier of the row, then IAM, BE, POM and two rounds with NSRM, on the validation images; the "
    "labels of the training images on the way.",
    "sweeps": "From `none_refined`, one argument at a time. Seeds {seeds}. Each difference is to `none_refined`.",
    "maps": "Training images of the first seed. Of all images with 200 pixels of own context or more, the two in which "
    "the share of own context called object at the threshold 0.5 falls most from `ce` to `all`, and the two in which "
    "it rises most or falls least. Second column: objects by class, their context in a paler colour of the class.",
}

FINDINGS = """
## What it says

- **The problem is there, and a contrast can solve much of it.** The plain classifier's CAMs reach 36.3 (50.0 on the
  toy data without context, seed 0). With true pseudo labels, a bound, pixel-to-NROI gives +9.6 without a head and
  +8.0 with a shared one, and the context called object falls from 32.7 to 18.1 %.
- **With saliency it helps in every seed**: +4.8 ± 2.7 with a shared head, +4.6 ± 1.5 without one. The other parts
  add nothing to it (-0.1 ± 1.0).
- **From image-level labels it helps if the labels are refined**: all parts together +3.3 ± 2.2, in every seed, and
  +2.6 ± 2.6 with other rounding (below); pixel-to-NROI alone +2.3 ± 1.1 with a shared head, +1.3 ± 2.3 without one,
  where one seed loses; intra-foreground alone +1.7 ± 1.0. With raw CAMs +1.1 ± 0.8 and +0.6 ± 2.1.
- **The published settings do not help here**: +0.5 ± 0.8, as much as similarity and segmentation alone (+0.5 ±
  0.5). The null row differs by +0.2 ± 0.3.
- **What decides is where the hard pixels lie**: on objects 88 % of them with saliency, 53 to 57 % of them with
  refined labels, 32 % with raw CAMs, 13 % in the published settings. Where a class's CAMs lie on its context, the
  contrast drives them further there: two of the images below.
- **Clusters do not show**: random background pixels in the place of eight centres +0.6 ± 0.7, one centre -0.8 ±
  1.1.
- **Refining the maps afterwards gives more than FBR** (36.3 to 44.8 for the plain classifier), and FBR adds to it:
  +3.7 ± 2.9 for all parts, +6.2 ± 3.4 with saliency.
- **The end of the method hardly sees it**: +0.4 ± 0.8 on the validation images for all parts from image-level
  labels. BE takes a saliency map, which here covers little but objects and does the same cleaning.
- **Rounding alone moves single runs**: `all_again` is the row `all`, run again into a folder of its own by a later
  version of the code, which computes the intra-foreground contrast in another order, equal to rounding. Its seeds
  differ from `all`'s by -2.0 to +0.7. The other rows with that contrast are of the version before; it does not
  touch those without (`none_refined` of seed 1, made again, is bit for bit the same).
- The sweeps are of one seed, the one that loses without a head; they say little.

Toy objects have even colours and their saliency maps are nearly true, so these data favour both cleanings. Whether
any of it holds on photographs is not shown here.
"""
