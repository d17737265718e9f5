-- One row is one study with features: how many rows of each kind are shown of it.
-- grain: study_key
-- stored: view
-- checked: with meta.study_rows
select
    study_key,
    coalesce(sum(n_rows) filter (where table_name = 'feature_once'), 0) as n_once,
    coalesce(sum(n_rows) filter (where table_name = 'feature_binned'), 0) as n_binned,
    any_value(levels) filter (where table_name = 'feature_binned') as levels,
from meta.study_rows
where is_shown and table_name in ('feature_once', 'feature_binned')
group by study_key
