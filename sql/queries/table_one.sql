-- Who is in the cohort (the paper's Table 1)?
select
    characteristic,
    level,
    n,
    round(100 * share, 1) as percent,
    round(mean, 1) as mean,
    round(standard_deviation, 1) as standard_deviation,
    round(median, 1) as median,
from core.table_one
order by "position"
