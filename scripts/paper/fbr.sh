#!/usr/bin/env bash
# FBR (docs/fbr.md): the method with NSROM's classifier, and with the same classifier trained with FBR, from image-level
# labels (I) and with saliency (I+S). The published numbers stand on other base networks.
source "$(dirname "$0")/../method.sh"
masks() { scripts/evaluate.sh label_pseudo "$EVAL_TRAIN"; }
whole_method
masks
(RUN=$RUN/fbr; train_fbr "${FBR[@]}"; label; two_rounds ""; masks)
(RUN=$RUN/fbr_saliency; train_fbr "${FBR_SALIENCY[@]}"; label; two_rounds ""; masks)
case $(basename "$DATA") in # published: I, I+S
coco14*)
    of="the paper's numbers are of another base network, AMN (I); it has none with saliency (I+S) on COCO"
    on="COCO 2014" masks=(46.7 "") val=(45.6 "") test=("" "")
    ;;
*)
    of="the paper's numbers are of other base networks, AMN (I) and PPC on EPS (I+S)"
    on="VOC 2012 val" masks=(73.1 75.9) val=(71.8 74.2) test=(" (test 73.2)" " (test 74.9)")
    ;;
esac
table fbr "FBR; $of" --paper-on "$on" \
    --row "NSROM's classifier, masks of train" "" label_pseudo \
    --row "NSROM's classifier + FBR (I), masks of train" "${masks[0]}" fbr/label_pseudo \
    --row "NSROM's classifier + FBR (I+S), masks of train" "${masks[1]}" fbr_saliency/label_pseudo \
    --row "NSROM's classifier, val" "" "pred2_$VAL" \
    --row "NSROM's classifier + FBR (I), val${test[0]}" "${val[0]}" "fbr/pred2_$VAL" \
    --row "NSROM's classifier + FBR (I+S), val${test[1]}" "${val[1]}" "fbr_saliency/pred2_$VAL"
