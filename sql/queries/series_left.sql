-- Why were the objects that are not the chosen volume left?
select
    reason,
    count(*) as n_objects,
    count(distinct study_key) as n_studies,
from core.series_flow
group by reason
order by n_objects desc, reason asc
