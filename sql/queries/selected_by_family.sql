-- How many features of each family were chosen for the latest cohort, by profile (Table 2)?
select
    selected.profile,
    selected.family,
    selected.bins,
    count(*) as n_features,
    string_agg(selected.feature, ', ' order by selected."position") as features,
from selection.selected_feature as selected
inner join core.cohort_frozen as cohort_frozen
    on selected.cohort_hash = cohort_frozen.cohort_hash
where cohort_frozen.is_latest
group by selected.profile, selected.family, selected.bins
order by selected.profile, selected.family
