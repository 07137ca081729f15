#!/usr/bin/env bash
# Table 1: the method with DeepLab-v2 on VGG16, among the paper's other methods.
source "$(dirname "$0")/../method.sh"
prepare vgg16
classify
(SEG=("${SEG_VGG16[@]}"); two_rounds "$VGG16")
published_table table1 "Table 1: VGG16" --row "ours, val (test 65.3)" 65.5 "pred2${VGG16}_$VAL"
