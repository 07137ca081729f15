#!/usr/bin/env bash
# A job of real.sh, ROW="row:step", in RUN/<row>. The rows mild, strong and rectangle have the saliency of
# their own data set, and the maps of the row main; long has the labels of main, and trains DeepLab-v2 as long as the settings say.
source "$(dirname "$0")/../method.sh"
row=${ROW%:*} step=${ROW#*:} MAIN=$RUN/main RUN=$RUN/${ROW%:*}
case $row in
    mild | strong | rectangle) export DATA=${DATA}_$row ;;
    long)
        mkdir -p "$RUN"
        ln -sfn ../main/label_initial ../main/label_pseudo "$RUN"
        ;;
esac
[ "$row" = long ] || SEG+=(--iterations 500) # a quarter, so that the study takes hours

labels() { # those of BE and POM, with their scores and those of the maps, which become labels by a threshold
    local name
    for name in label_initial label_pseudo; do
        scripts/evaluate.sh "$name" "$EVAL_TRAIN"
    done
    for name in cam oa_cam; do
        [ ! -d "$RUN/$name" ] || maps "$name"
    done
}

maps() { # folder of class maps below RUN: their scores, and the context that they call object
    scripts/evaluate.sh "$1" "$EVAL_TRAIN" --map-thresholds $(LC_ALL=C seq 0.1 0.1 0.9) --threshold 0.4
    launch_labels report.studies.context --split "$EVAL_TRAIN" --maps "$RUN/$1" --out "$RUN/scores/context_$1"
}

masked() { # suffix, arguments of pseudo.nsrm: second round
    mask "$1" --pred "$RUN/pred1" "${@:2}"
    scripts/evaluate.sh "label_masked$1" "$EVAL_TRAIN"
    segment "2$1" "$RUN/label_masked$1"
}

scored() { # suffix of a trained network: its predictions of the training images, pred<suffix>
    predict "$1" "$TRAIN" "pred$1"
    scripts/evaluate.sh "pred$1" "$EVAL_TRAIN"
}

case $step in
    labels)
        case $row in
            main) classify ;;
            no_glore) classify --no-glore ;;
            vgg16) # the paper's network and rate; three epochs of its 14, and no integral attention model
                scripts/cls_train.sh --init weights/hed_vgg16.pth --seed "$SEED" --epochs 3 --decay-epochs 2
                launch cls.infer --weights "$RUN/cls/weights.pth" --out "$RUN/cam"
                scripts/pseudo_background.sh --oa-cam "$RUN/cls/attention"
                scripts/pseudo_pom.sh
                ;;
            fbr) train_fbr "${FBR[@]}"; label ;;
            *)
                scripts/pseudo_background.sh --oa-cam "$MAIN/oa_cam"
                scripts/pseudo_pom.sh --cam "$MAIN/cam"
                ;;
        esac
        labels
        ;;
    irn)
        irn
        RUN=$RUN/image_level
        maps cam_pyramid
        for name in label_seed label_irn; do
            scripts/evaluate.sh "$name" "$EVAL_TRAIN"
        done
        ;;
    full) TRAIN=$EVAL_TRAIN segment _full "$DATA/SegmentationClass" ;; # a bound, on the images that have ground truth
    initial) segment _initial "$RUN/label_initial" ;;
    pseudo) segment 1 "$RUN/label_pseudo" ;;
    round1) segment 1 "$RUN/label_pseudo"; scored 1 ;;
    retrain) scored _initial; segment _retrain "$RUN/pred_initial" ;;
    pom_retrain) segment _pom_retrain "$RUN/pred1" ;;
    round2) masked "" ;;
    simple_label) masked _simple_label --simple-from label ;;
    agreement)
        launch_labels pseudo.agreement --pred "$RUN/pred1" --label "$RUN/label_pseudo" --out "$RUN/label_agreement"
        scripts/evaluate.sh label_agreement "$EVAL_TRAIN"
        segment 2_agreement "$RUN/label_agreement"
        ;;
    all) masked _all --all-images ;;
    no_*) masked "_$step" "--${step/_/-}" ;;
    irn_round1) RUN=$RUN/image_level; segment 1 "$RUN/label_irn"; scored 1 ;;
    irn_round2) RUN=$RUN/image_level; masked "" --label "$RUN/label_irn" --no-saliency-mask ;;
    *) echo "ROW=$ROW: there is no such job" >&2; exit 2 ;;
esac
