#!/usr/bin/env bash
# A row of irn.sh in RUN/<row>: ce, the plain classifier, or fbr, with and without saliency; plain, ce on data without
# context; truth, the bound of the instances. ROW: its name; empty: only the data are made.
source "$(dirname "$0")/../method.sh"
case ${ROW:-} in
    "") prepare; exit ;;
    truth) true_instances; exit ;;
    plain) DATA=${DATA}_plain TOY_ARGS=; prepare ;;
    ce | fbr) ;;
    *) echo "ROW=$ROW: there is no such row" >&2; exit 2 ;;
esac
RUN=$RUN/$ROW
if [ "$ROW" = fbr ]; then
    train_fbr "${FBR[@]}"
else
    scripts/cls_train.sh "${CLS[@]}"
fi
label
two_rounds ""
for labels in label_initial label_pseudo label_masked; do
    scripts/evaluate.sh "$labels" "$EVAL_TRAIN"
done
image_level
instances
