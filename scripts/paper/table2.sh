#!/usr/bin/env bash
# Table 2: the method with DeepLab-v2 on ResNet-101, from ImageNet's and from COCO's weights (*), among the paper's other
# methods.
source "$(dirname "$0")/../method.sh"
prepare vgg16 resnet101 coco_resnet101
classify
(SEG=("${SEG_IMAGENET[@]}"); two_rounds "$IMAGENET")
(SEG=("${SEG_COCO[@]}"); two_rounds "$COCO")
published_table table2 "Table 2: ResNet-101, from ImageNet and from COCO (*)" \
    --row "ours, val (test 68.5)" 68.3 "pred2${IMAGENET}_$VAL" \
    --row "ours*, val (test 70.2)" 70.4 "pred2${COCO}_$VAL"
