-- One row is one winning model.
-- grain: model_key
with withdrawn as (
    -- A tombstone stands in the place of a member who was withdrawn.
    select distinct cohort_hash,
    from raw.cohort_member
    where starts_with(study_key, 'X')
)

select
    model.model_key,
    model.cohort_hash,
    model.profile,
    model.segment,
    model.configuration,
    model."outer",
    model."inner",
    model.bins,
    model.outcome_transform,
    withdrawn.cohort_hash is not null as has_withdrawn,
    model.n_train,
    model.intercept,
    model.test_studies,
    model.residuals,
from raw.model as model
left join withdrawn
    on model.cohort_hash = withdrawn.cohort_hash
