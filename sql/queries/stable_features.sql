-- Which features of the latest cohort are the most and the least stable at 64 grey levels?
with

stable as (
    select
        feature,
        ibsi_code,
        median(icc3) as icc3,
        min(icc3_low) as lowest,
        median(icc1) as icc1,
    from selection.feature_stability
    where
        is_latest
        and family = 'all'
        and bins = 64
        and icc3 is not null
    group by all
),

ranked as (
    select
        *,
        row_number() over (order by icc3 desc, feature asc) as from_best,
        row_number() over (order by icc3 asc, feature asc) as from_worst,
    from stable
)

select
    feature,
    ibsi_code,
    icc3,
    lowest,
    icc1,
from ranked
where
    from_best <= 10
    or from_worst <= 10
order by icc3 desc, feature asc
