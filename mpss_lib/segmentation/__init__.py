"""Segmentation: the left ventricle and its regions."""
