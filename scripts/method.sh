# Sourced by run_all.sh and by the scripts in paper/ and study/: the method as functions. Each stage of NSROM is a script
# of its own with the paper's numbers; the arguments of SETTINGS (by default the file named after the data set, else VOC's)
# override them. Scripts that share a stage share its folder, so it runs once.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
source "$settings"
if [ -n "${SETTINGS:-}" ] || [[ $(basename "$DATA") != toy* ]]; then
    echo "$DATA: settings of $settings (SETTINGS takes others), trains on lists/$TRAIN.txt (TRAIN), writes $RUN (RUN)" >&2
fi

launch() { # command, arguments: a stage that uses a GPU, on the training images or those of a later --split
    $LAUNCH "$1" --data "$DATA" --split "$TRAIN" "${@:2}"
}

launch_labels() { # the same for a stage that uses none
    $LAUNCH_LABELS "$1" --data "$DATA" --split "$TRAIN" "${@:2}"
}

require() { # folder, list, advice: ends unless each image of the list has its PNG in this folder of the data set
    local id list=$DATA/lists/$2.txt
    [ -e "$list" ] || return 0 # the first stage names it, at once
    while read -r id _; do
        if [ -n "$id" ] && ! [ -e "$DATA/$1/$id.png" ]; then
            echo "$DATA/$1/$id.png: no such file$3" >&2
            exit 2
        fi
    done <"$list"
}

fetch() { # files of weights/: those that are missing
    local file missing=()
    for file; do
        [ -e "weights/$file" ] || missing+=("${file%.*}")
    done
    [ ${#missing[@]} = 0 ] || python -m weights.fetch "${missing[@]}"
}

classify() { # arguments of both trainings: from images to initial and pseudo labels
    scripts/cls_train.sh "${CLS[@]}" "$@"
    label "$@"
}

train_fbr() { # arguments of fbr.train: a classifier with FBR's losses, RUN/cls
    launch fbr.train --out "$RUN/cls" "${CLS[@]}" "$@"
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

seeds() { # from a trained classifier, RUN/cls, to its CAMs and refined seeds, RUN/image_level/label_seed
    local weights=$RUN/cls/weights.pth
    (
        RUN=$RUN/image_level
        launch cls.infer --weights "$weights" --out "$RUN/cam_pyramid" --scales 1 0.5 1.5 2 --flip "${INFER[@]}"
        launch irn.seed --maps "$RUN/cam_pyramid" --out "$RUN/label_seed" "${IRN_SEED[@]}"
    )
}

walk() { # folder of maps: IRN, trained on RUN/label_seed, spreads them: RUN/label_irn
    launch irn.train --seeds "$RUN/label_seed" --out "$RUN/irn" "${IRN[@]}"
    launch irn.walk --maps "$RUN/$1" --weights "$RUN/irn/weights.pth" --out "$RUN/label_irn" "${IRN_WALK[@]}"
}

irn() { # from a trained classifier, RUN/cls, to IRN's labels without saliency, RUN/image_level/label_irn
    seeds
    (RUN=$RUN/image_level; walk cam_pyramid)
}

amn() { # name, command, its arguments: after seeds, a training of AMN, IRN and DeepLab-v2, RUN/<name>/image_level/seg1
    local seeds=$RUN/image_level/label_seed
    (
        RUN=$RUN/$1/image_level SEG=("${SEG_IMAGE_LEVEL[@]}")
        launch "$2" --seeds "$seeds" --out "$RUN/amn" "${AMN[@]}" "${@:3}"
        launch cls.infer_amn --seeds "$seeds" --weights "$RUN/amn/weights.pth" --out "$RUN/amn_cam" "${AMN_INFER[@]}"
        launch irn.seed --absolute --maps "$RUN/amn_cam" --out "$RUN/label_seed" "${AMN_SEED[@]}"
        walk amn_cam
        segment 1 "$RUN/label_irn"
        scripts/summary.sh
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

instances() { # after irn: the instances of its maps, or of those in another folder: RUN/image_level/instances, and their
    # AP, without void pixels and with
    local maps=${1:-$RUN/image_level/cam_pyramid}
    (
        RUN=$RUN/image_level
        launch irn.instances --split "$EVAL_TRAIN" --maps "$maps" --weights "$RUN/irn/weights.pth" \
            --out "$RUN/instances" "${IRN_INSTANCES[@]}"
        score=(evaluate.instances --split "$EVAL_TRAIN" --pred "$RUN/instances")
        launch_labels "${score[@]}" --out "$RUN/scores/instances" >/dev/null
        launch_labels "${score[@]}" --out "$RUN/scores/instances_void" --void background >/dev/null
    )
}

true_instances() { # an upper bound, RUN/truth/image_level: true class masks are IRN's maps and seeds, on EVAL_TRAIN
    (
        RUN=$RUN/truth truth=$DATA/SegmentationClass
        launch_labels irn.label_maps --split "$EVAL_TRAIN" --labels "$truth" --out "$RUN/image_level/cam_pyramid"
        launch irn.train --split "$EVAL_TRAIN" --seeds "$truth" --out "$RUN/image_level/irn" "${IRN[@]}"
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

published_fbr() { # on, masks, val, test: the published numbers of AMN, of FBR on it (I), and of FBR on PPC with EPS (I+S)
    case $(basename "$DATA") in
    coco14*) on="COCO 2014" masks=("" 46.7 "") val=(44.7 45.6 "") test=("" "" "") ;;
    *)
        on="VOC 2012 val" masks=(72.2 73.1 75.9) val=(70.7 71.8 74.2)
        test=(" (test 70.6)" " (test 73.2)" " (test 74.9)")
        ;;
    esac
}
