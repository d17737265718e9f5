-- One row is one segmented study.
-- grain: study_key
select
    study_key,
    object_key,
    is_sure,
    flags,
    wall_mode,
    wall_mm,
    axis_x,
    axis_y,
    axis_z,
    myocardium_ml,
    cavity_ml,
    length_mm,
    "check",
    voxels,
    mask_path,
from ${segmentation}
