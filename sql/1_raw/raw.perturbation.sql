-- One row is one perturbation of one study: under what its features were measured again.
-- grain: study_key perturbation
-- stored: view
-- checked: with meta.study_rows
select *,
from ${perturbation}
