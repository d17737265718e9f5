-- the chosen volume has voxels, and they have a size
-- suite: study
-- consequence: quarantine
-- by: study_key
select
    study_key,
    object_key,
from raw.volume
where is_chosen and (least(nz, ny, nx) <= 0 or least(dz_mm, dy_mm, dx_mm) <= 0)
