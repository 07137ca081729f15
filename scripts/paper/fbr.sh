#!/usr/bin/env bash
# FBR (docs/fbr.md): the method with NSROM's classifier, and with the same classifier trained with FBR, from image-level
# labels (I) and with saliency (I+S). The published numbers stand on other base networks.
source "$(dirname "$0")/../method.sh"
masks() { scripts/evaluate.sh label_pseudo "$EVAL_TRAIN"; }
whole_method
masks
(RUN=$RUN/fbr; classify_fbr "${FBR[@]}"; two_rounds ""; masks)
(RUN=$RUN/fbr_saliency; classify_fbr "${FBR_SALIENCY[@]}"; two_rounds ""; masks)
table fbr "FBR; the paper's numbers are of other base networks, AMN (I) and PPC on EPS (I+S)" \
    --row "NSROM's classifier, masks of train" "" label_pseudo \
    --row "NSROM's classifier + FBR (I), masks of train" 73.1 fbr/label_pseudo \
    --row "NSROM's classifier + FBR (I+S), masks of train" 75.9 fbr_saliency/label_pseudo \
    --row "NSROM's classifier, val" "" "pred2_$VAL" \
    --row "NSROM's classifier + FBR (I), val (test 73.2)" 71.8 "fbr/pred2_$VAL" \
    --row "NSROM's classifier + FBR (I+S), val (test 74.9)" 74.2 "fbr_saliency/pred2_$VAL"
