-- a study was measured under every perturbation, and kept a myocardium under each
-- suite: snapshot
-- consequence: warn
with

counted as (
    select
        study_key,
        count(*) as n_perturbations,
        min(n_voxels) as n_voxels,
    from raw.perturbation
    group by study_key
)

select
    study_key,
    n_perturbations,
    n_voxels,
from counted
qualify
    n_perturbations != max(n_perturbations) over ()
    or n_voxels = 0
