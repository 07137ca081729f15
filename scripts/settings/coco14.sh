# Sourced by method.sh: MS COCO 2014, a folder that data.prepare_coco14 has made (docs/coco14.md). What is not here is as
# in voc12.sh, since nothing is published for it: NSROM has no run on COCO, and FBR's code none of its own there (of the
# networks below it AMN's branch coco14 is published). Nothing here has been run on COCO itself.
source scripts/settings/imagenet.sh # COCO's DeepLab weights were trained on COCO's masks: here they would be the answer
IMAGE_LEVEL=1                       # without a saliency folder run_all.sh runs setting I; FBR reports no other on COCO
MADE_BY=data.prepare_coco14

# Classifier and IAM: VOC's 14 epochs of 5 squares of 256. AMN's classifier, another network, has 5 epochs of 16 crops of
# 512 on COCO as on VOC.

# IRN, of AMN's run_sample_coco.py. Its thresholds make the seeds of the CAMs and, on AMN's own maps, those of IRN (VOC:
# CAMs 0.30 and 0.05; RIB on COCO: 0.35 and 0.17). The power of the maps is VOC's, 1.3.
IRN_SEED=(--strict 0.45 --loose 0.15)
IRN_INFER=() AMN_INFER=()    # in floating point the maps of each would take 300 GB
IRN_WALK=(--background 0.22) # VOC: 0.25, which stays for irn.instances (ins_seg_bg_thres)

# DeepLab-v2: ten times the images that it sees on VOC in the paper, 12 epochs of COCO. 100 000 iterations of 10 images
# are those of deeplab-pytorch, which AMN and RIB train with, on COCO's images (configs/cocostuff164k.yaml), with learning
# rate, crop and schedule as on VOC; QA-CLIMS has the same on COCO 2014 (its issue 4). LPCAM: 2e-4 and 20 images (its
# issue 3); RIB: crops of 481 (its issue 2).
SEG_VGG16+=(--iterations 100000)
SEG_IMAGENET+=(--iterations 100000)
SEG_IMAGE_LEVEL=("${SEG_IMAGENET[@]}")
SEG=("${SEG_IMAGENET[@]}") # SEG_COCO, of Table 2's last row alone, is not for COCO

# The CRF of predictions: deeplab-pytorch has VOC's numbers on COCO. Of 81 classes an image shows few; those that the
# network gives more than 0.05 nowhere are left out. On photographs with 21 classes that took 0.60 of the time and
# changed 0.002 % of the labels, at worst 0.005 %; 0.2 was little faster and changed more (docs/benchmarks.md).
PREDICT=(--crf-min-probability 0.05)
