#!/usr/bin/env bash
# Instances from image-level labels (IRN), with NSROM's classifier and with the same classifier trained with FBR: AP on
# EVAL_TRAIN, and with true class masks as an upper bound; <run>/instances.md. Each AP also with void pixels as background,
# as published ones count them. Needs InstanceMasks, no saliency.
source "$(dirname "$0")/../method.sh"
require InstanceMasks "$EVAL_TRAIN" " (docs/data.md)" # hours before they are read
prepare --no-saliency vgg16 resnet50
scripts/cls_train.sh "${CLS[@]}"
irn
instances
(RUN=$RUN/fbr; train_fbr "${FBR[@]}"; irn; instances)
true_instances
table instances "Instances on $EVAL_TRAIN, from image-level labels; no published numbers are known" --ap \
    --row "NSROM's classifier" "" image_level/instances \
    --row "NSROM's classifier + FBR" "" fbr/image_level/instances \
    --row "true class masks, an upper bound" "" truth/image_level/instances \
    --row "NSROM's classifier, void as background" "" image_level/instances_void \
    --row "NSROM's classifier + FBR, void as background" "" fbr/image_level/instances_void \
    --row "true class masks, void as background" "" truth/image_level/instances_void \
    --note "Void: pixels that are 255 in the ground truth. They count nowhere, or, as in published numbers, as background."
