#!/usr/bin/env bash
# FBR's setting I (docs/fbr.md) from images and their labels alone: IRN makes the masks, no saliency map is read, the
# data set need not have any. NSROM's classifier, and the same one trained with FBR; below them what
# scripts/paper/fbr.sh made with saliency in the same run.
source "$(dirname "$0")/../method.sh"
image_level_method
(RUN=$RUN/fbr; train_fbr "${FBR[@]}"; image_level)
published_fbr
case $(basename "$DATA") in
coco14*)
    note="FBR's abstract calls the 45.6 on val a test result. AMN's lists hold the images without an object, too, which\
 data.prepare_coco14 leaves out."
    ;;
*)
    note="With VOC's settings the segmentation networks with saliency start from COCO's weights (SEG), those without\
 from ImageNet's (SEG_IMAGE_LEVEL)."
    ;;
esac
table fbr_image_level "FBR from image-level labels (I): IRN in the place of saliency" --paper-on "$on" \
    --row "NSROM's classifier, masks of train (IRN)" "${masks[0]}" image_level/label_irn \
    --row "NSROM's classifier + FBR, masks of train (IRN)" "${masks[1]}" fbr/image_level/label_irn \
    --row "NSROM's classifier, val${test[0]}" "${val[0]}" "image_level/pred2_$VAL" \
    --row "NSROM's classifier + FBR, val${test[1]}" "${val[1]}" "fbr/image_level/pred2_$VAL" \
    --row "with saliency (POM): NSROM's classifier, masks of train" "" label_pseudo \
    --row "with saliency (POM): NSROM's classifier + FBR, masks of train" "" fbr/label_pseudo \
    --row "with saliency: NSROM's classifier, val" "" "pred2_$VAL" \
    --row "with saliency: NSROM's classifier + FBR, val" "" "fbr/pred2_$VAL" \
    --note "The published numbers are AMN's and those of FBR on AMN (ResNet-50); here the base is NSROM's classifier\
 (VGG16 with GloRe). A dash with saliency: scripts/paper/fbr.sh, which needs it, was not run here. $note"
