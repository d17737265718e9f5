-- two sources of a calcium score that count differ by a share of the larger one at most
-- suite: clinical
-- consequence: warn
-- by: record_key
with totals as (
    select
        study_key,
        total,
    from core.calcium_source
    where is_counted
    union all
    select
        study_key,
        cac_registry_total as total,
    from core.clinical
    where study_key is not null and cac_registry_total is not null
),

spread as (
    select
        study_key,
        max(total) as highest,
        min(total) as lowest,
    from totals
    group by study_key
)

select
    clinical.record_key,
    spread.highest - spread.lowest as "value",
from spread
inner join core.clinical as clinical
    on spread.study_key = clinical.study_key
where
    spread.highest - spread.lowest > 10
    and spread.highest - spread.lowest > ${cac_difference} * spread.highest
