-- One row is one characteristic of the cohort, as in the first table of a paper.
-- grain: position
with numbers as (
    unpivot (
        select
            age,
            bmi,
            lvef,
            cac_total,
            cac_lad,
            cac_lcx,
            cac_rca,
        from core.cohort
    )
    on age, bmi, lvef, cac_total, cac_lad, cac_lcx, cac_rca
    into name characteristic value "value"
),

categories as (
    select
        'sex' as characteristic,
        sex as level,
    from core.cohort
    union all
    select
        'race' as characteristic,
        race as level,
    from core.cohort
    union all
    select
        'stress_agent' as characteristic,
        stress_agent as level,
    from core.cohort
    union all
    select
        'smoking' as characteristic,
        smoking::varchar as level,
    from core.cohort
    union all
    select
        'diabetes' as characteristic,
        diabetes::varchar as level,
    from core.cohort
    union all
    select
        'hypertension' as characteristic,
        hypertension::varchar as level,
    from core.cohort
    union all
    select
        'hyperlipidemia' as characteristic,
        hyperlipidemia::varchar as level,
    from core.cohort
    union all
    select
        'family_history' as characteristic,
        family_history::varchar as level,
    from core.cohort
    union all
    select
        'cac_class' as characteristic,
        case
            when cac_total < ${no_calcium} then '0'
            when cac_total <= ${class_limits}[1] then '1-10'
            when cac_total <= ${class_limits}[2] then '11-100'
            when cac_total <= ${class_limits}[3] then '101-400'
            else 'over 400'
        end as level,
    from core.cohort
),

whole as (
    select count(*) as n_cohort,
    from core.cohort
),

summarised as (
    select
        characteristic,
        '' as level,
        count(*) as n,
        null as share,
        avg("value" order by "value") as mean,
        stddev_samp("value" order by "value") as standard_deviation,
        median("value") as median,
        quantile_cont("value", 0.25) as quartile_1,
        quantile_cont("value", 0.75) as quartile_3,
    from numbers
    group by characteristic
    union all
    select
        categories.characteristic,
        coalesce(categories.level, 'unknown') as level,
        count(*) as n,
        count(*) / any_value(whole.n_cohort) as share,
        null as mean,
        null as standard_deviation,
        null as median,
        null as quartile_1,
        null as quartile_3,
    from categories
    cross join whole
    group by categories.characteristic, coalesce(categories.level, 'unknown')
)

select
    row_number() over (
        order by
            characteristic,
            -- Classes of calcium by their lower end, not by their spelling.
            list_position(['0', '1-10', '11-100', '101-400', 'over 400'], level),
            level
    ) as "position",
    characteristic,
    level,
    n,
    share,
    mean,
    standard_deviation,
    median,
    quartile_1,
    quartile_3,
from summarised
