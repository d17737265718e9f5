-- One row is one feature value of one segment of one study at one number of grey levels.
-- grain: study_key segment bins feature
-- checked: with meta.study_rows
select
    long_values.study_key,
    long_values.segment,
    long_values.bins,
    long_values.feature,
    dictionary.ibsi_code,
    dictionary.family,
    dictionary.family_code,
    dictionary.aggregation,
    dictionary.aggregation_code,
    dictionary.depends_on_bins,
    long_values."value",
from (
    unpivot feature.radiomics
    on columns(* exclude (study_key, segment, bins, n_voxels, undefined_features))
    into name feature value "value"
) as long_values
left join core.feature_dictionary as dictionary
    on long_values.feature = dictionary.feature
