-- Which studies stand still, where, why, and what is to be done?
select
    stage,
    study_key,
    tries,
    problem,
    way_out,
from meta.quarantine
order by stage, study_key
