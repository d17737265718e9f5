-- One row is one segment of one study at one number of grey levels: all features.
-- grain: study_key segment bins
-- checked: with raw.feature_binned
select
    once.study_key,
    once.segment,
    binned.bins,
    once.n_voxels,
    list_concat(once.undefined_features, binned.undefined_features) as undefined_features,
    once.* exclude (study_key, segment, n_voxels, undefined_features),
    binned.* exclude (study_key, segment, bins, undefined_features),
from raw.feature_binned as binned
inner join raw.feature_once as once
    on
        binned.study_key = once.study_key
        and binned.segment = once.segment
anti join quality.held_back as held_back
    on
        binned.study_key = held_back.study_key
        and held_back.is_study_held_back
