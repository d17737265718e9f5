-- One row is one perturbation of one study: its family, its myocardium, and what was thinned.
-- grain: study_key perturbation
-- checked: with meta.study_rows
select
    study_key,
    perturbation,
    family,
    thinning,
    "position",
    n_voxels,
from raw.perturbation
