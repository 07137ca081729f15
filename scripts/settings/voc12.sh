# Sourced by method.sh: the paper's run on PASCAL VOC 2012. Hyperparameters that are not here stand in the stages'
# scripts.
[[ $run != voc12* ]] || TRAIN=${TRAIN:-train_aug} EVAL_TRAIN=${EVAL_TRAIN:-train} # of train_aug, only train has ground truth
SEED=${SEED:-0}
CLS=(--init weights/vgg16.pth --seed "$SEED") # the classifier, with FBR too
IAM=(--init weights/vgg16.pth --seed "$SEED") # the integral attention model
FBR=(--heads none --labels refined --background 0.5 --temperature 0.1 --nroi-weight 0.05 --intra-weight 0.05
    --similarity-weight 0 --segmentation-weight 0.1) # docs/fbr.md; chosen on toy data
FBR_SALIENCY=("${FBR[@]}" --heads shared --labels saliency --intra-weight 0 --segmentation-weight 0)
INFER=()
IRN_SEED=()
IRN=(--backbone resnet50 --init weights/resnet50.pth --seed "$SEED")
IRN_WALK=() IRN_INSTANCES=()
# irn's classifier. The published optimiser passes the weight decay in the place of SGD's momentum: 1e-4; the 0.9 in its
# arguments is the power of the schedule. With --momentum 0.9 it is another training.
IRN_CLS=(--backbone resnet50 --init weights/resnet50.pth --crop-size 512 --long-side 320 640 --epochs 5 --batch-size 16
    --lr 0.1 --weight-decay 1e-4 --momentum 1e-4 --no-nesterov --schedule poly --seed "$SEED") # the head: lr 1.0
AMN=(--backbone resnet50 --init weights/resnet50.pth --seed "$SEED")
IRN_INFER=(--dump-float) AMN_INFER=(--dump-float) # the maps of both, as published: 12 GB each
AMN_SEED=(--strict 0.45 --loose 0.15)
FBR_AMN=() # as published, but with a gradient in the contrasts
SEG_VGG16=(--backbone vgg16 --init weights/vgg16.pth --seed "$SEED")                                  # Table 1
SEG_IMAGENET=(--backbone resnet101 --init weights/resnet101.pth --seed "$SEED")                       # Table 2
SEG_COCO=(--backbone resnet101 --init weights/coco_resnet101.pth --convention caffe --seed "$SEED")   # Table 2, last row
SEG_IMAGE_LEVEL=("${SEG_IMAGENET[@]}") # COCO's start was trained on masks
SEG=("${SEG_COCO[@]}") # Tables 3 and 4, Figures 6 and 7: the run without a suffix
VGG16=_vgg16 IMAGENET=_imagenet COCO=''
PREDICT=()
KERNEL=30 KERNELS=(2 5 10 20 30 40 50) # Figure 6
NODE=64 NODES=(16 32 64 96 128)        # Figure 7
NSRM=(--kernel-size "$KERNEL")

STARTS=(vgg16 coco_resnet101) # the weights of CLS, IAM and SEG, in weights/
MADE_BY="data.prepare_voc12 or data.prepare_folder"

prepare() { # --no-saliency if a script reads none; names of the weights that it starts from (default: STARTS)
    [ -e "$DATA/classes.txt" ] || { echo "$DATA: expected a data set; make it with $MADE_BY" >&2; exit 2; }
    if [ "${1:-}" = --no-saliency ]; then
        shift
    else # hours before pseudo.background reads it
        require saliency "$TRAIN" "; without saliency: DATA=$DATA scripts/paper/fbr_image_level.sh; other maps, or your\
 own: docs/saliency.md"
    fi
    [ $# -gt 0 ] || set -- "${STARTS[@]}"
    fetch "${@/%/.pth}"
}
