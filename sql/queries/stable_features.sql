-- Which features of the latest cohort are the most and the least stable at 64 grey levels?
with

stable as (
    select
        feature,
        ibsi_code,
        median(icc1) as icc1,
        min(icc1_low) as lowest,
    from selection.feature_stability
    where
        is_latest
        and family = 'all'
        and bins = 64
        and icc1 is not null
    group by all
),

ranked as (
    select
        *,
        row_number() over (order by icc1 desc, feature asc) as from_best,
        row_number() over (order by icc1 asc, feature asc) as from_worst,
    from stable
)

select
    feature,
    ibsi_code,
    icc1,
    lowest,
from ranked
where
    from_best <= 10
    or from_worst <= 10
order by icc1 desc, feature asc
