"""Segmentation: the left ventricle, its 22 contours and the 7 analysed masks."""

from mpss_lib.segmentation.ventricle import Segmentation, segment

__all__ = ["Segmentation", "segment"]
