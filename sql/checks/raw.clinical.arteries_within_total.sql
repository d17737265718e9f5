-- arteries do not exceed the total
-- suite: clinical
-- consequence: quarantine
-- by: record_key
with summed as (
    select
        record_key,
        coalesce(cac_lm, 0) + coalesce(cac_lad, 0) + coalesce(cac_lcx, 0) + coalesce(cac_rca, 0)
        - cac_total as excess,
    from raw.clinical
    where is_accepted
)

select
    record_key,
    excess as "value",
from summed
where excess > ${cac_tolerance}
