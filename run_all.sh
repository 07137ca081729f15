#!/usr/bin/env bash
# Every stage in order, on the toy data; what is finished is skipped. Another seed: SEED=1 DATA=data/toy1 ./run_all.sh
source "$(dirname "$0")/scripts/env.sh"
source scripts/toy.sh

python -m data.prepare_toy --out "$DATA" --seed "$SEED"
python -m weights.pretrain_toy --out "$INIT" "${TRUNK[@]}" "${COMMON[@]}"

scripts/cls_train.sh "${CLS[@]}"
scripts/cls_train_iam.sh "${CLS[@]}"
scripts/cls_infer.sh "${INFER[@]}"
scripts/pseudo_background.sh
scripts/pseudo_pom.sh

ROUND=1 scripts/seg_train.sh "${SEG[@]}"
ROUND=1 scripts/seg_predict.sh "${PREDICT[@]}"
scripts/pseudo_nsrm.sh "${NSRM[@]}"
ROUND=2 scripts/seg_train.sh "${SEG[@]}"
for round in 1 2; do
    ROUND=$round SPLIT=$VAL scripts/seg_predict.sh "${PREDICT[@]}"
done
scripts/evaluate.sh
