-- numbers are finite, or absent
-- suite: clinical
-- consequence: quarantine
-- by: record_key
select record_key,
from raw.clinical
where
    is_accepted
    -- A sum with NaN or infinity is neither finite nor absent.
    and not isfinite(
        coalesce(age, 0) + coalesce(bmi, 0) + coalesce(lvef, 0) + coalesce(cac_total, 0)
        + coalesce(cac_lm, 0) + coalesce(cac_lad, 0) + coalesce(cac_lcx, 0) + coalesce(cac_rca, 0)
    )
