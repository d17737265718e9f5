-- One row is one statistical setting of one profile: what the profiles differ in.
-- grain: cohort_hash profile stage setting
-- checked: with raw.profile_setting
select
    cohort_hash,
    profile,
    stage,
    setting,
    version,
    same_as,
    "value",
from raw.profile_setting
