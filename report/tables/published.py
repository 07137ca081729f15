"""The paper's Tables 1 and 2 as they are printed: mIoU of other methods and its own on PASCAL VOC 2012, in their order.

Yao et al., Non-Salient Region Object Mining for Weakly Supervised Semantic Segmentation, CVPR 2021, section 4.3. All of
these methods are trained from image-level labels; the tables have no column for it.
"""

from typing import NamedTuple


class Method(NamedTuple):
    """A row of a table, its numbers as printed; "" where the table has a dash. The paper's own rows have no venue."""

    name: str
    venue: str
    val: str
    test: str


TABLE1 = [  # VGG16
    Method("DCSM", "ECCV16", "44.1", "45.1"),
    Method("SEC", "ECCV16", "50.7", "51.7"),
    Method("AugFeed", "ECCV16", "54.3", "55.5"),
    Method("STC", "TPAMI17", "49.8", "51.2"),
    Method("Roy et al.", "CVPR17", "52.8", "53.7"),
    Method("Oh et al.", "CVPR17", "55.7", "56.7"),
    Method("AE-PSL", "CVPR17", "55.0", "55.7"),
    Method("WebS-i2", "CVPR17", "53.4", "55.3"),
    Method("Hong et al.", "CVPR17", "58.1", "58.7"),
    Method("DCSP", "BMVC17", "58.6", "59.2"),
    Method("TPL", "ICCV17", "53.1", "53.8"),
    Method("GAIN", "CVPR18", "55.3", "56.8"),
    Method("DSRG", "CVPR18", "59.0", "60.4"),
    Method("MCOF", "CVPR18", "56.2", "57.6"),
    Method("AffinityNet", "CVPR18", "58.4", "60.5"),
    Method("RDC", "CVPR18", "60.4", "60.8"),
    Method("SeeNet", "NIPS18", "63.1", "62.8"),
    Method("OAA", "ICCV19", "63.1", "62.8"),
    Method("ICD", "CVPR20", "64.0", "63.9"),
    Method("BES", "ECCV20", "60.1", "61.1"),
    Method("Fan et al.", "ECCV20", "64.6", "64.2"),
    Method("Zhang et al.", "ECCV20", "63.7", "64.5"),
    Method("MCIS", "ECCV20", "63.5", "63.6"),
    Method("Ours", "", "65.5", "65.3"),
]
TABLE2 = [  # ResNet; * from COCO's weights
    Method("DCSP", "BMVC17", "60.8", "61.9"),
    Method("DSRG", "CVPR18", "61.4", "63.2"),
    Method("MCOF", "CVPR18", "60.3", "61.2"),
    Method("AffinityNet", "CVPR18", "61.7", "63.7"),
    Method("SeeNet", "NIPS18", "63.1", "62.8"),
    Method("IRN", "CVPR19", "63.5", "64.8"),
    Method("FickleNet", "CVPR19", "64.9", "65.3"),
    Method("OAA", "ICCV19", "65.2", "66.4"),
    Method("SSDD", "ICCV19", "64.9", "65.5"),
    Method("SEAM", "CVPR20", "64.5", "65.7"),
    Method("SCE", "CVPR20", "66.1", "65.9"),
    Method("ICD", "CVPR20", "67.8", "68.0"),
    Method("Zhang et al.", "ECCV20", "66.6", "66.7"),
    Method("Fan et al.", "ECCV20", "67.2", "66.7"),
    Method("MCIS", "ECCV20", "66.2", "66.9"),
    Method("BES", "ECCV20", "65.7", "66.6"),
    Method("CONTA", "NIPS20", "66.1", "66.7"),
    Method("Ours", "", "68.3", "68.5"),
    Method("OAA*", "ICCV19", "67.4", ""),
    Method("SEAM*", "CVPR20", "63.2", ""),
    Method("Ours*", "", "70.4", "70.2"),
]
PUBLISHED = {"table1": TABLE1, "table2": TABLE2}
NOTES = {  # what else the paper says of them
    "table1": "STC, WebS-i2 and Hong et al. use additional training data (section 4.3). SeeNet's numbers are as "
    "printed, though Table 2, of ResNet, has the same.",
    "table2": "A star: from weights trained on MS-COCO.",
}
