# Sourced by method.sh where SETTINGS=voc12_code: as voc12.sh, with the published code's hyperparameters where the paper
# has others. Each comment has the paper's (4.1), as it stands in the stages' scripts.
source scripts/settings/voc12.sh
CLS+=(--epochs 15)          # 14
IAM+=(--epochs 15)          # 14
CODE=(--iterations 20000    # DeepLab-v2: 10 000; both of 10 images, in the code as two times 5
    --weight-decay 5e-4)    # DeepLab-v2: 1e-4
SEG_VGG16+=("${CODE[@]}")   # not published; as for ResNet-101
SEG_IMAGENET+=("${CODE[@]}")
SEG_COCO+=("${CODE[@]}")
SEG=("${SEG_COCO[@]}")
SEG_IMAGE_LEVEL=("${SEG_IMAGENET[@]}")
FBR=() # its setting I is the defaults of fbr.train; I+S:
FBR_SALIENCY=(--labels saliency --bank-size 50000 --nroi-weight 0.01 --intra-weight 0.1 --hard-quantile 0.6
    --entropy-quantile 0.1 --prototype-pixels 16)
