"""METRICS: 30 items with the weights of their table 1."""

from __future__ import annotations

from mpss_lib.evaluation.checklists.items import read_items

ITEMS = read_items("""
# Study design
1 | a checklist for radiomics or machine learning was followed | guidelines | 0.0368
2 | criteria that give a representative sample | representative | 0.0735
3 | good reference standard, clearly defined | author | 0.0919
# Imaging data
4 | more than one centre | centres_many | 0.0438
5 | images as they are made in practice, by a standard | author | 0.0292
6 | protocol with acquisition parameters | protocol | 0.0438
7 | interval between image and reference standard | interval | 0.0292
# Segmentation
8 | segmentation is described | segmentation | 0.0337
9 | automatic segmentation was formally evaluated | mask_agreement | 0.0225
10 | masks of the test set by one reader or one tool | one_tool | 0.0112
# Image processing and feature extraction
11 | fitting pre-processing, described | ibsi: 40 46 57 50a | 0.0622
12 | standardised extraction software | ibsi: 59 | 0.0311
13 | parameters of the extraction | ibsi: 56a 56b 62 63 64 65 66 67 68 69 70 71 | 0.0415
# Feature processing
14 | features that are not robust are removed | robust | 0.0200
15 | redundant features are removed | redundant | 0.0200
16 | number of dimensions fits the number of patients | dimensions | 0.0300
17 | robustness of end-to-end deep learning | none: no deep learning | 0.0200
# Preparation for modelling
18 | data are divided before anything is learned from them | strict_partition | 0.0599
19 | confounders | confounders | 0.0300
# Metrics and comparison
20 | measures that fit the task | measures | 0.0352
21 | uncertainty | uncertainty | 0.0234
22 | calibration | calibration | 0.0176
23 | one kind of image, or shown to be worse than several | one_image | 0.0117
24 | comparison with what is not radiomic, or added value | added | 0.0293
25 | comparison with simple statistical models | simple_model | 0.0176
# Testing
26 | internal testing | testing | 0.0375
27 | external testing | external | 0.0749
# Open science
28 | data available | author | 0.0075
29 | code available | author | 0.0075
30 | model available | author | 0.0075
""")
