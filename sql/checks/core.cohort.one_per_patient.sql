-- Patients with more than one study in the cohort.
-- severity: stop
select
    patient_key,
    count(*) as n_studies,
from core.cohort
group by patient_key
having count(*) > 1
