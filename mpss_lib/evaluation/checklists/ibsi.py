"""IBSI: reporting items 1 to 76; those of other modalities do not apply."""

from __future__ import annotations

from mpss_lib.evaluation.checklists.items import read_items

ITEMS = read_items("""
# Patient
1 | region that was imaged | region
2a | instructions before the scan | author
2b | drugs before the scan | author
2c | equipment for comfort | author
3a | tracer | author
3b | how it was given | author
3c | activity | author
3d | time until the scan | author
3e | competing substances | author
4a-e | contrast agent | none: SPECT without contrast agent
5 | diseases that affect the image | author
# Acquisition
6 | standard protocol | author
7 | scanners and vendors | scanners
8 | modality | modality
9a | static or dynamic | gating
9b-c | frames of dynamic scans | none: no dynamic scans
10 | calibration of the scanner | author
11 | instructions during the scan | author
12 | correction of motion | author
13 | duration of the scan | author
14-15 | tube voltage and current | none: CT only
16 | time of flight | none: PET only
17-27 | coil, sequence and field | none: MRI only
# Reconstruction
28 | resolution in the plane | spacing
29 | thickness of the slices | spacing
30 | distance of the slices | spacing
31a-c | kernel and exposure | none: CT only
32a | method of reconstruction | reconstruction
32b-c | iterations and subsets | author
33 | modelling of the point spread | author
34a | attenuation correction | attenuation
34b | other corrections | author
35a-b | reconstruction of k-space | none: MRI only
36 | b-values | none: MRI only
# Registration and conversion
37 | registration of modalities | none: one modality
38 | normalisation of uptake | none: PET only
39 | diffusion coefficients | none: MRI only
40 | other conversions | ibsi: 40
# Processing after the acquisition
41 | anti-aliasing | ibsi: 41
42 | suppression of noise | no_processing
43 | smoothing after reconstruction | author
44-45 | skull stripping, non-uniformity | none: MRI only
46 | normalisation of intensities | no_processing
47 | other processing | no_processing
# Segmentation
48a | how regions were drawn | segmentation
48b | experts and their agreement | operators
48c | settings of automatic segmentation | mask_settings
48d | image on which regions were drawn | one_image
49 | from contours to voxels | rasterised
# Interpolation
50a | interpolation of the image | ibsi: 50a
50b | position of the grid | ibsi: 50b
50c | size of the grid | ibsi: 50c
50d | beyond the original image | ibsi: 50d
51 | size of the voxels | ibsi: 51
52 | rounding of intensities | ibsi: 52
53 | interpolation of the mask | ibsi: 53
54 | voxels that are partly in the mask | ibsi: 54
# Re-segmentation and discretisation
55 | re-segmentation | ibsi: 55
56a | method of discretisation | ibsi: 56a
56b | number or size of the bins | ibsi: 56b
56c | lowest intensity of the first bin | ibsi: 56c
57 | filters | ibsi: 57
# Features
58 | set of features | ibsi: 58
59 | agreement with IBSI's values | ibsi: 59
60 | robustness | feature_robustness
61 | software and version | software
62 | aggregation of matrices | ibsi: 62
63 | weighting by distance | ibsi: 63
64 | symmetry of the co-occurrence matrix | ibsi: 64
65 | distance of co-occurrence | ibsi: 65
66 | linkage of size zones | ibsi: 66
67 | linkage of distance zones | ibsi: 67
68 | distance of distance zones | ibsi: 68
69 | distance of grey tone differences | ibsi: 69
70 | distance of dependences | ibsi: 70
71 | coarseness of dependences | ibsi: 71
# Modelling
72 | modelling, see TRIPOD+AI | model
73 | comparison with known factors | added
74 | collinearity between features | redundant
75 | availability of the models | full_model
76 | availability of the data | author
""")
