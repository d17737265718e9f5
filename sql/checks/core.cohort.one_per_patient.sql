-- a patient has one study in the cohort
-- suite: snapshot
-- consequence: stop
select
    patient_key,
    count(*) as n_studies,
from core.cohort
group by patient_key
having count(*) > 1
