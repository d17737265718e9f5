-- How did the studies that the archive named become the cohort (the paper's 1,800 to 428)?
select
    stage,
    reason,
    n_studies,
    n_left,
    description,
from core.cohort_flow_summary
where n_studies > 0
order by "position"
