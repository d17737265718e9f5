"""CLEAR: 58 items."""

from __future__ import annotations

from mpss_lib.evaluation.checklists.items import read_items

ITEMS = read_items("""
# Title
1 | title that names the radiomic method | author
# Abstract
2 | structured summary | author
# Keywords
3 | keywords | author
# Introduction
4 | background | author
5 | why radiomics | author
6 | aims | aims
# Study design
7 | guidelines that were followed | guidelines
8 | ethics | author
9 | sample size | sample_size
10 | nature of the study | retrospective
11 | who could take part | eligibility
12 | picture of the technical pipeline | pipeline
# Data
13 | source of the data | sources
14 | overlap with earlier publications | author
15 | how the data were split | partition
16 | imaging protocol | protocol
17 | definition of clinical predictors | predictors
18 | definition of the reference standard | outcome
# Segmentation
19 | strategy of segmentation | segmentation
20 | who segmented | operators
# Pre-processing
21 | processing of the image | ibsi: 40 46 57
22 | resampling | ibsi: 50a 51
23 | discretisation | ibsi: 56a 56b
24 | kinds of image: original, filtered | ibsi: 57
# Feature extraction
25 | method of extraction | extraction
26 | classes of features | ibsi: 58
27 | number of features | number
28 | statement on all other settings | ibsi: 62 63 64 65 66 67 68 69 70 71
# Data preparation
29 | missing values | missing
30 | unbalanced classes | imbalance
31 | reliability of the segmentation | mask_reliability
32 | scale of the features | scaling
33 | reduction of dimensions | reduction
# Modelling
34 | algorithm | model
35 | training and tuning | partition
36 | confounders | confounders
37 | how a model was selected | winner
# Evaluation
38 | technique of testing | testing
39 | measures of performance | measures
40 | uncertainty | uncertainty
41 | statistical comparison of performance | comparison
42 | comparison with clinical and combined models | added
43 | explanation of the models | explanation
# Results
44 | baseline characteristics | characteristics
45 | picture of the eligibility | flow
46 | statistics of the features: stability, selection | feature_statistics
47 | performance of the models | uncertainty
48 | performance beside clinical and combined models | added
# Discussion
49 | overview of the findings | finding
50 | earlier work and differences | author
51 | meaning for practice | author
52 | strengths and limits | author
# Open science
53 | images and segmentations shared | author
54 | features shared | shared_data
55 | scripts and settings of pre-processing shared | code
56 | code of the modelling shared | code
57 | final models shared as files | full_model
58 | a system that is ready to use | author
""")
