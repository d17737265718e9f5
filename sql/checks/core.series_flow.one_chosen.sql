-- Studies with more than one chosen object.
-- severity: report
select
    study_key,
    count(*) as n_chosen,
from core.volume
where is_chosen
group by study_key
having count(*) > 1
