-- One row is one segment of one study at one number of grey levels: all features.
-- grain: study_key segment bins
-- checked: with meta.study_rows
with once as (
    -- Each group has one row: said so that a summary of other columns need not read this file.
    select
        study_key,
        segment,
        any_value(columns(* exclude (study_key, segment))) as "\0",  -- noqa: RF05
    from raw.feature_once
    group by study_key, segment
)

select
    binned.study_key,
    binned.segment,
    binned.bins,
    once.n_voxels,
    list_concat(once.undefined_features, binned.undefined_features) as undefined_features,
    once.* exclude (study_key, segment, n_voxels, undefined_features),
    binned.* exclude (study_key, segment, bins, undefined_features),
from raw.feature_binned as binned
left join once
    on
        binned.study_key = once.study_key
        and binned.segment = once.segment
anti join quality.feature_unpaired as unpaired
    on
        binned.study_key = unpaired.study_key
        and binned.segment = unpaired.segment
anti join quality.held_back as held_back
    on
        binned.study_key = held_back.study_key
        and held_back.is_study_held_back
