-- How many features of each family were chosen for the latest cohort (the paper's Table 2)?
select
    selected.family,
    selected.bins,
    count(*) as n_features,
    string_agg(selected.feature, ', ' order by selected."position") as features,
from selection.selected_feature as selected
inner join core.cohort_frozen as cohort_frozen
    on selected.cohort_hash = cohort_frozen.cohort_hash
where cohort_frozen.is_latest
group by selected.family, selected.bins
order by selected.family
