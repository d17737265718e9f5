-- at most one volume of a study is chosen
-- suite: study
-- consequence: quarantine
-- by: study_key
select
    study_key,
    count(*) as "value",
from raw.volume
where is_chosen
group by study_key
having count(*) > 1
