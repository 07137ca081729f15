"""Prose of the page that report.irn makes of scripts/study/irn.sh; the numbers in it are those of docs/irn.md."""

HEAD = """# Without saliency, and down to instances: IRN on the toy data

Made by `scripts/study/irn.sh {seeds}`: {count} seeds; a seed changes the data, the initialisation and the order.
With saliency the labels are those of BE, POM and NSRM; without, those of IRN, and NSRM without its saliency term.
`ce` is the plain classifier, `fbr` the one trained with FBR from image-level labels.
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
    "instances": "Mean AP of the instances of the training images over the classes, at thresholds of the IoU of masks. "
    "`truth` is an upper bound: IRN trained on the true class masks, which also stand in for the class maps.",
    "picture": "Images of the first seed, with IRN's boundaries, displacements and instances.",
}

FINDINGS = ""
