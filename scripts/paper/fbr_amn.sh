#!/usr/bin/env bash
# FBR where it was published (setting I, docs/paper.md): irn's classifier, seeds of its CAMs, AMN on them with and without
# FBR, seeds of AMN's maps, IRN, masks, DeepLab-v2; <run>/fbr_amn.md. With InstanceMasks instances, too, of the
# classifier's CAMs by the IRN of each row, as in the published code: <run>/fbr_amn_instances.md. No saliency is read.
source "$(dirname "$0")/../method.sh"
prepare --no-saliency resnet101 resnet50
(
    RUN=$RUN/amn INFER+=("${IRN_INFER[@]}")
    launch cls.train --out "$RUN/cls" "${IRN_CLS[@]}"
    seeds
    (RUN=$RUN/image_level; scripts/summary.sh)
    amn plain cls.train_amn
    amn fbr fbr.train_amn "${FBR_AMN[@]}"
)
published_fbr
table fbr_amn "FBR on AMN, from image-level labels (I)" --paper-on "$on" \
    --row "seeds of the classifier's CAMs, train" "" amn/image_level/label_seed \
    --row "AMN, seeds of its maps, train" "" amn/plain/image_level/label_seed \
    --row "AMN + FBR, seeds of its maps, train" "" amn/fbr/image_level/label_seed \
    --row "AMN, masks of train (IRN)" "${masks[0]}" amn/plain/image_level/label_irn \
    --row "AMN + FBR, masks of train (IRN)" "${masks[1]}" amn/fbr/image_level/label_irn \
    --row "AMN, val${test[0]}" "${val[0]}" "amn/plain/image_level/pred1_$VAL" \
    --row "AMN + FBR, val${test[1]}" "${val[1]}" "amn/fbr/image_level/pred1_$VAL" \
    --note "FBR's published code keeps the epoch that is best on the ground truth of train, and its contrasts have no\
 gradient; here it is the last epoch, and they have one. Seeds are scored on the pixels that they decide."
if [ -d "$DATA/InstanceMasks" ]; then
    for row in plain fbr; do
        (maps=$RUN/amn/image_level/cam_pyramid; RUN=$RUN/amn/$row; instances "$maps")
    done
    title="Instances on $EVAL_TRAIN: the classifier's CAMs, with IRN from AMN's seeds; no published numbers are known"
    table fbr_amn_instances "$title" --ap \
        --row "AMN" "" amn/plain/image_level/instances \
        --row "AMN + FBR" "" amn/fbr/image_level/instances \
        --row "AMN, void as background" "" amn/plain/image_level/instances_void \
        --row "AMN + FBR, void as background" "" amn/fbr/image_level/instances_void
fi
