# Sourced by run_all.sh and by the scripts in paper/ and study/: the method as functions, with the hyperparameters of
# SETTINGS, by default those of the data set's name, else VOC's. What two scripts have in common lies in one folder and
# runs once.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
source "$settings"
if [ -n "${SETTINGS:-}" ] || [[ $(basename "$DATA") != toy* ]]; then
    echo "$DATA: settings of $settings (SETTINGS takes others), trains on lists/$TRAIN.txt (TRAIN), writes $RUN (RUN)" >&2
fi

classify() { # arguments of both trainings: from images to initial and pseudo labels
    scripts/cls_train.sh "${CLS[@]}" "$@"
    label "$@"
}

classify_fbr() { # arguments of fbr.train: as classify, with FBR's losses
    scripts/fbr_train.sh "${CLS[@]}" "$@"
    label
}

label() { # arguments of cls.train_iam: from a trained classifier to initial and pseudo labels
    scripts/cls_train_iam.sh "${IAM[@]}" "$@"
    scripts/cls_infer.sh "${INFER[@]}"
    scripts/pseudo_background.sh
    scripts/pseudo_pom.sh
}

baseline() { # Table 3's first row: no_glore/pred_initial_val
    (RUN=$RUN/no_glore; classify --no-glore; segment _initial "$RUN/label_initial")
}

segment() { # suffix, folder of labels: seg<suffix>, pred<suffix>_val and its score
    scripts/seg_train.sh "${SEG[@]}" --labels "$2" --out "$RUN/seg$1"
    predict "$1" "$VAL" "pred$1_$VAL"
    scripts/evaluate.sh "pred$1_$VAL" "$VAL"
}

predict() { # suffix, split, folder
    scripts/seg_predict.sh "${PREDICT[@]}" --weights "$RUN/seg$1/weights.pth" --split "$2" --out "$RUN/$3"
}

mask() { # suffix, arguments of pseudo.nsrm: label_masked<suffix>
    scripts/pseudo_nsrm.sh "${NSRM[@]}" --out "$RUN/label_masked$1" "${@:2}"
}

two_rounds() { # suffix: the paper's second half, from pseudo labels to seg2<suffix>
    segment "1$1" "$RUN/label_pseudo"
    predict "1$1" "$TRAIN" "pred1$1"
    mask "$1" --pred "$RUN/pred1$1"
    segment "2$1" "$RUN/label_masked$1"
}

irn() { # from a trained classifier, RUN/cls, to IRN's labels without saliency, RUN/image_level/label_irn
    local weights=$RUN/cls/weights.pth
    (
        RUN=$RUN/image_level
        scripts/irn_cam.sh "${INFER[@]}" --weights "$weights"
        scripts/irn_seed.sh "${IRN_SEED[@]}"
        scripts/irn_train.sh "${IRN[@]}"
        scripts/irn_walk.sh "${IRN_WALK[@]}"
    )
}

image_level() { # from a trained classifier, RUN/cls, to the second round without saliency, RUN/image_level/seg2
    irn
    (
        RUN=$RUN/image_level SEG=("${SEG_IMAGE_LEVEL[@]}")
        segment 1 "$RUN/label_irn"
        predict 1 "$TRAIN" pred1
        mask "" --pred "$RUN/pred1" --label "$RUN/label_irn" --no-saliency-mask
        segment 2 "$RUN/label_masked"
        scripts/summary.sh
    )
}

instances() { # after irn: the instances of its maps, RUN/image_level/instances, and their AP, without void pixels and with
    (
        RUN=$RUN/image_level
        scripts/irn_instances.sh "${IRN_INSTANCES[@]}"
        score=(evaluate.instances --data "$DATA" --split "$EVAL_TRAIN" --pred "$RUN/instances")
        $LAUNCH_LABELS "${score[@]}" --out "$RUN/scores/instances" >/dev/null
        $LAUNCH_LABELS "${score[@]}" --out "$RUN/scores/instances_void" --void background >/dev/null
    )
}

true_instances() { # an upper bound, RUN/truth/image_level: true class masks are IRN's maps and seeds, on EVAL_TRAIN
    (
        RUN=$RUN/truth
        $LAUNCH_LABELS irn.label_maps --data "$DATA" --split "$EVAL_TRAIN" --labels "$DATA/SegmentationClass" \
            --out "$RUN/image_level/cam_pyramid"
        RUN=$RUN/image_level scripts/irn_train.sh "${IRN[@]}" --split "$EVAL_TRAIN" --seeds "$DATA/SegmentationClass"
        instances
    )
}

whole_method() {
    prepare
    classify
    two_rounds ""
}

image_level_method() { # the same without saliency: IRN's labels, RUN/image_level/pred2_val
    prepare --no-saliency vgg16 resnet101 resnet50
    scripts/cls_train.sh "${CLS[@]}"
    image_level
}

components() { # Table 3 but for retraining: no_glore/pred_initial_val, pred_initial_val, pred1_val, pred2_val
    whole_method                          # + GR + POM, + GR + POM + NSRM
    baseline
    segment _initial "$RUN/label_initial" # + GR: initial labels, without POM
}

table() { # name, title, then "--row NAME PAPER FOLDER" for each row: <run>/<name>.md
    python -m report.tables.table --run "$RUN" --name "$1" --title "$2" "${@:3}"
}

published_table() { # as table, with the rows of other methods as the paper lists them
    table "$@" --published "$1" --note "This run is scored on the list $VAL of $(basename "$DATA"); its numbers and the\
 paper's compare where both are of VOC 2012."
}
