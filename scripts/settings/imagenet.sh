# Sourced by method.sh where SETTINGS=imagenet: as voc12.sh, with every DeepLab-v2 starting from ImageNet's ResNet-101. The
# authors' COCO weights are not needed. Table 2, val: 68.3 instead of 70.4.
source scripts/settings/voc12.sh
SEG=("${SEG_IMAGENET[@]}")
IMAGENET='' COCO=_coco # the run without a suffix is this one
STARTS=(vgg16 resnet101)
