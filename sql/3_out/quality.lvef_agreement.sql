-- One row is one choice of studies: how far LVEF of gates and registry agree (Bland, Altman 1986).
-- grain: of_studies
with pairs as (
    select
        is_sure,
        lvef_difference,
    from core.lvef
    where lvef_difference is not null
),

choices as (
    select
        'all' as of_studies,
        lvef_difference,
    from pairs
    union all
    select
        'sure' as of_studies,
        lvef_difference,
    from pairs
    where is_sure
),

summed as (
    select
        of_studies,
        count(*) as n_studies,
        avg(lvef_difference order by lvef_difference) as bias,
        stddev_samp(lvef_difference order by lvef_difference) as sd,
        avg(abs(lvef_difference) order by abs(lvef_difference)) as mean_absolute,
    from choices
    group by of_studies
)

select
    of_studies,
    n_studies,
    bias,
    sd,
    bias - 1.96 * sd as limit_low,
    bias + 1.96 * sd as limit_high,
    mean_absolute,
from summed
