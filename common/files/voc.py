"""PASCAL VOC 2012's classes, in their order."""

CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow"
    " diningtable dog horse motorbike person pottedplant sheep sofa train tvmonitor"
).split()
