-- One row is one image object that intake judged.
-- grain: study_key object_key
select
    study_key,
    series_key,
    object_key,
    is_chosen,
    reasons,
    stress,
    attenuation,
    reconstruction,
    orientation,
    n_time_slots,
    nz,
    ny,
    nx,
    dz_mm,
    dy_mm,
    dx_mm,
    manufacturer,
    model,
    evidence,
    path,
from ${volume}
