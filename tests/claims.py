"""The claims that test_findings.py holds against the lines: for each number of a page, what it is a number of.

The beginning of a paragraph, and indented below it a claim for each of its numbers, in their order. A claim names the
row, or a pair as "row | other", and the score by its keys in the line: "all | ce; cam, best", as the cells of
report.studies.study do. {a,b} makes two claims of one, as in a shell.
"""

from typing import NamedTuple


class Page(NamedTuple):
    """What a page says of which lines, and its numbers that do not come from them.

    `end`: the heading before which every number of the page is checked, "" for the whole page; None: only those of the
    paragraphs with claims are.
    """

    path: str
    lines: str
    claims: str
    others: tuple[str, ...] = ()
    end: str | None = None


NAMES = ("PyTorch 2.15.0", "2 cores of an AMD EPYC", "95 % interval", "above 0", "seed 0", "seed 1")  # no claims
NAMES += ("24 × 32 pixels", "IoU of 0.5")
PAGES = {
    "fbr": Page(
        "docs/fbr.md",
        "fbr",
        """
**These rows were made before
    lowest of none_refined; cam, best
    lowest of none_refined; inside, share/hard pixels on objects
- **The problem is there
    ce; cam, best
    {none_truth,shared_truth} | ce; cam, best
    {ce,none_truth}; cam, context_at_60
- **With saliency it helps
    {shared_saliency,none_saliency} | ce; cam, best
    all_saliency | shared_saliency; cam, best
- **From image-level labels
    {all,all_again,shared_refined,none_refined,intra,shared_cam,none_cam} | ce; cam, best
- **The published settings
    {published,similarity_segmentation,null} | ce; cam, best
- **What decides
    {shared_saliency,shared_refined,none_refined,shared_cam,none_cam,published}; inside, share/hard pixels on objects
- **Clusters do not show
    {random,one_centre} | none_refined; cam, best
- **Refining the maps
    ce; {cam,cam_refined}, best
    {all,all_saliency} | ce; cam_refined, best
- **Final segmentation
    all | ce; pred2_val, mean_iou
- **Rounding alone
    {lowest,highest} of all_again | all; cam, best
- The sweeps
    lowest of none_refined | ce; cam, best
""",
        others=(  # of runs that are not among the lines
            "50.0 on the toy data without context",
            "the 111 lines, at the 242 to 381 s",
            "42.5 before both changes, 40.9 with the other start, 41.3 with both, and 69, 66 and 71 %",
            "weight of 1e-6",
            "Context at 60 %",
            "60 % of the object pixels",
            "threshold 0.5",
        ),
        end="## On AMN",
    ),
    "amn": Page(
        "docs/fbr.md",
        "amn",
        """
- **What FBR adds
    amn/fbr | amn/plain; image_level/{amn_cam,label_seed,label_irn,pred1_val}, mean_iou
    amn/fbr | amn/plain; ap, 0.5
- **AMN's maps
    amn/plain; image_level/amn_cam, mean_iou
    amn; image_level/{cam_pyramid,label_seed}, mean_iou
    amn/plain; image_level/label_seed, mean_iou
    {amn,amn/plain}; image_level/label_seed, ignored
""",
        others=("AP at 0.5", "0.45 and 0.15"),
    ),
    "irn": Page(
        "docs/irn.md",
        "irn",
        """
- **What saliency is worth
    plain; {image_level,saliency}, pred2_val, mean_iou
    plain; image_level, pred2_val, mean_iou | saliency, pred2_val, mean_iou
    {fbr,ce}; saliency, pred2_val, mean_iou | image_level, pred2_val, mean_iou
    ce; {saliency,image_level}, pred2_val, mean_iou
    ce; saliency, pred2_val, mean_iou | image_level, pred2_val, mean_iou
    fbr; {saliency,image_level}, pred2_val, mean_iou
    fbr; saliency, pred2_val, mean_iou | image_level, pred2_val, mean_iou
- With context the difference
    ce; saliency, label_pseudo, mean_iou
    {ce,fbr}; image_level, label_irn, mean_iou
    plain; saliency, label_pseudo, mean_iou
    plain; image_level, label_irn, mean_iou
    plain; {saliency,image_level}, label_masked, mean_iou
- **Without saliency FBR
    fbr | ce; image_level, {label_irn,label_masked,pred2_val}, mean_iou
    fbr | ce; saliency, {label_pseudo,pred2_val}, mean_iou
- **NSRM without
    plain; image_level, pred2_val, mean_iou | image_level, pred1_val, mean_iou
    plain; {image_level,saliency}, {pred1_val,pred2_val}, mean_iou
    ce; image_level, {pred1_val,pred2_val}, mean_iou
    ce; image_level, pred2_val, mean_iou | image_level, pred1_val, mean_iou
    fbr; image_level, {pred1_val,pred2_val}, mean_iou
    fbr; image_level, pred2_val, mean_iou | image_level, pred1_val, mean_iou
- **IRN's labels
    {ce,fbr,plain}; image_level, {cam_pyramid,label_irn}, mean_iou
    {ce,fbr,plain}; image_level, label_seed, mean_iou
    {ce,fbr,plain}; image_level, label_seed, ignored
    plain; image_level, {label_seed,label_irn}, false_negative
- **Instances
    {ce,fbr,fbr | ce,truth,plain}; ap, 0.5
- **Seeds differ
    lowest of ce; image_level, pred2_val, mean_iou
    highest of fbr; image_level, pred2_val, mean_iou
    {lowest,highest} of fbr; saliency, pred2_val, mean_iou
""",
        others=(
            "half of the scores are 1",
            "FBR has 71.8 without saliency and 74.2 with it",
        ),  # of the files; published
        end="## To a detector",
    ),
    "saliency": Page(
        "docs/saliency.md",
        "irn",
        """
FBR's two numbers
    {fbr,ce}; saliency, pred2_val, mean_iou | image_level, pred2_val, mean_iou
    plain; image_level, pred2_val, mean_iou | saliency, pred2_val, mean_iou
""",
    ),
    "paper": Page(
        "docs/paper.md",
        "ablation",
        """
- **NSRM helps with every seed
    labels: prediction, round 1; complex, false_negative
    labels: masked label (NSRM); complex, {false_negative,ignored}
- **POM** gains
    table3: + GR + POM | table3: + GR; mean_iou
- **Retraining alone
    controls: full supervision; mean_iou
- In **Table 4**
    table4: NSRM - dilation | table4: NSRM; mean_iou
""",
        others=("Table 3's", "Table 4", "Figure 6", "Figure 7"),
    ),
    "real": Page(
        "docs/real.md",
        "real",
        """
- **POM does for
    main; label_initial, false_negative
    main; label_pseudo, false_negative
    main; label_initial, ignored
    main; label_pseudo, ignored
    main; label_initial, mean_iou
    main; label_pseudo, mean_iou
    main; label_pseudo, mean_iou | label_initial, mean_iou
- **Where saliency misses
    rectangle; label_initial, false_negative
    mild; label_initial, false_negative
    strong; label_initial, false_negative
    rectangle; label_pseudo, false_negative | label_initial, false_negative
    rectangle | main; label_pseudo, false_negative | label_initial, false_negative
    mild; label_pseudo, mean_iou | label_initial, mean_iou
    strong; label_pseudo, mean_iou | label_initial, mean_iou
    rectangle; label_pseudo, mean_iou | label_initial, mean_iou
- **No gain of
    main; pred_initial_val, mean_iou
    main; pred1_val, mean_iou
    main; pred1_val, mean_iou | pred_initial_val, mean_iou
    long; pred_initial_val, mean_iou
    long; pred1_val, mean_iou
    long; pred1_val, mean_iou | pred_initial_val, mean_iou
- **The second round
    main; pred2_val, mean_iou
    main; pred2_val, mean_iou | pred1_val, mean_iou
    main; pred1, mean_iou
    main; label_masked, mean_iou
    main; pred_pom_retrain_val, mean_iou
    main; pred_pom_retrain_val, mean_iou | pred1_val, mean_iou
    main; pred2_val, mean_iou | pred_pom_retrain_val, mean_iou
- **Nor does longer
    long; pred1_val, mean_iou
    long | main; pred1_val, mean_iou
    long; pred2_val, mean_iou
    long; pred2_val, mean_iou | pred1_val, mean_iou
- **Nor does NSRM
    mild; pred2_val, mean_iou | pred1_val, mean_iou
    strong; pred2_val, mean_iou | pred1_val, mean_iou
    rectangle; pred2_val, mean_iou | pred1_val, mean_iou
- **Agreement instead of
    main; label_agreement, mean_iou
    main; pred2_agreement_val, mean_iou
    main; pred2_agreement_val, mean_iou | pred2_val, mean_iou
    main; pred2_agreement_val, mean_iou | pred1_val, mean_iou
    main; pred2_simple_label_val, mean_iou
    main; pred2_simple_label_val, mean_iou | pred2_val, mean_iou
    main; pred2_simple_label_val, mean_iou | pred1_val, mean_iou
- **Full supervision** by
    main; pred_full_val, mean_iou
- CAMs have
    main; cam, mean_iou
    main; oa_cam, mean_iou
    main; context_cam, context_at_60
    main; context_oa_cam, context_at_60
- **FBR hardly changes
    fbr | main; cam, mean_iou
    fbr | main; oa_cam, mean_iou
    fbr | main; label_pseudo, mean_iou
    fbr | main; context_cam, context_at_60
    fbr | main; context_oa_cam, context_at_60
    fbr | main; pred1_val, mean_iou
    fbr | main; pred2_val, mean_iou
- **Without saliency** much
    main; image_level/label_irn, mean_iou
    main; image_level/pred1_val, mean_iou
    main; image_level/pred1_val, mean_iou | pred1_val, mean_iou
    main; image_level/label_masked, mean_iou
    main; image_level/pred2_val, mean_iou
    main; image_level/pred2_val, mean_iou | image_level/pred1_val, mean_iou
- The rest has
    no_glore | main; cam, mean_iou
    no_glore | main; label_pseudo, mean_iou
    no_glore | main; pred_initial_val, mean_iou
    no_glore; pred1_val, mean_iou | pred_initial_val, mean_iou
    main; pred_retrain_val, mean_iou | pred_initial_val, mean_iou
    main; pred2_all_val, mean_iou | pred2_val, mean_iou
    main; pred2_no_expansion_val, mean_iou | pred2_val, mean_iou
    main; pred2_no_masking_val, mean_iou | pred2_val, mean_iou
    main; pred2_no_dilation_val, mean_iou | pred2_val, mean_iou
In the paper the second
    strong; {label_pseudo,pred1}, mean_iou
    rectangle; {label_pseudo,pred1}, mean_iou
    main; label_pseudo, mean_iou
    long; pred1, mean_iou
""",
        others=("437 images", "where 60 %", "1.4 points"),
    ),
    "readme": Page(
        "README.md",
        "ablation",
        """
[Five other seeds]
    table3: + GR + POM + NSRM | table3: + GR + POM + retrain; mean_iou
""",
    ),
    "benchmarks": Page(
        "docs/benchmarks.md",
        "bench",
        """
- **Labels
    Labels; BE + POM, maps of 32x32; 1 process
    Labels; NSRM; 1 process
- **Mixed precision
    Mixed precision; classifier, 5 × 256²; ratio
    Mixed precision; DeepLab ResNet-101, 2 × 321²; ratio
    Profile; classifier, 5 × 256²: aten::{convolution_backward,mkldnn_convolution}; of the step
- **CRF with fewer
    CRF with fewer classes; DeepLab-like, lattice, minimum probability 0.05, changed labels, worst image; fewer classes
    CRF with fewer classes; DeepLab-like, lattice, minimum probability 0.05, mean of 2 images; ratio
    CRF with fewer classes; DeepLab-like, lattice, minimum probability 0.2, changed labels, worst image; fewer classes
    CRF with fewer classes; DeepLab-like, lattice, minimum probability 0.2, mean of 2 images; ratio
- **MS COCO
    MS COCO's size; pseudo.background, finished: start; at once
    MS COCO's size; pseudo.pom, finished: start; after 61 s
""",
        others=("about 40 minutes on 2 cores",),
        end="## Not in the lines",
    ),
}
