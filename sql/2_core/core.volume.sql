-- One row is one image object that intake judged: chosen, or left with every reason.
-- grain: study_key object_key
-- stored: view
-- checked: with meta.study_rows
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
    manufacturer,
    model as scanner_model,
    n_time_slots,
    nz,
    ny,
    nx,
    dz_mm,
    dy_mm,
    dx_mm,
    evidence,
    path,
from raw.volume
