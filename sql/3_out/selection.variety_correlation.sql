-- One row is one averaged and one merged 3D feature of a family, for one cohort and profile.
-- grain: cohort_hash profile averaged merged
-- checked: with raw.variety_correlation
select
    cohort_hash,
    profile,
    family,
    averaged,
    merged,
    rho,
from raw.variety_correlation
