#!/usr/bin/env bash
# FBR (docs/fbr.md): the method with NSROM's classifier, and with the same classifier trained with FBR, from image-level
# labels (I) and with saliency (I+S).
source "$(dirname "$0")/../method.sh"
masks() { scripts/evaluate.sh label_pseudo "$EVAL_TRAIN"; }
whole_method
masks
(RUN=$RUN/fbr; train_fbr "${FBR[@]}"; label; two_rounds ""; masks)
(RUN=$RUN/fbr_saliency; train_fbr "${FBR_SALIENCY[@]}"; label; two_rounds ""; masks)
published_fbr
table fbr "FBR; the paper's numbers are of other base networks, AMN (I) and PPC on EPS (I+S, not on COCO)" --paper-on "$on" \
    --row "NSROM's classifier, masks of train" "" label_pseudo \
    --row "NSROM's classifier + FBR (I), masks of train" "${masks[1]}" fbr/label_pseudo \
    --row "NSROM's classifier + FBR (I+S), masks of train" "${masks[2]}" fbr_saliency/label_pseudo \
    --row "NSROM's classifier, val" "" "pred2_$VAL" \
    --row "NSROM's classifier + FBR (I), val${test[1]}" "${val[1]}" "fbr/pred2_$VAL" \
    --row "NSROM's classifier + FBR (I+S), val${test[2]}" "${val[2]}" "fbr_saliency/pred2_$VAL"
