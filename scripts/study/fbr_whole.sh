#!/usr/bin/env bash
# The whole method with the classifier of a row of fbr.sh, from the IAM to the second round. ROW: the row's name.
source "$(dirname "$0")/../method.sh"
RUN=$RUN/$ROW
label
two_rounds ""
for labels in label_initial label_pseudo; do
    scripts/evaluate.sh "$labels" "$EVAL_TRAIN"
done
