# Sourced by method.sh where SETTINGS=voc12_irn: as voc12.sh without saliency, with the classifier of irn in NSROM's place
# (Ahn et al., CVPR 2019; AMN and FBR's setting I start from the same). scripts/paper/fbr_image_level.sh and instances.sh
# run with it; the stages with saliency read NSROM's maps of squares.
source scripts/settings/voc12.sh
IMAGE_LEVEL=1
CLS=("${IRN_CLS[@]}")
INFER=(--dump-float)
STARTS=(resnet50 resnet101)
