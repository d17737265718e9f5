-- One row is one feature chosen for one cohort and profile, with its IBSI codes.
-- grain: cohort_hash profile feature
select
    selected.cohort_hash,
    selected.profile,
    selected.feature,
    selected.bins,
    selected."position",
    dictionary.ibsi_code,
    dictionary.family,
    dictionary.aggregation,
    dictionary.human_name,
    dictionary.depends_on_bins,
from raw.selected_feature as selected
left join core.feature_dictionary as dictionary
    on selected.feature = dictionary.feature
