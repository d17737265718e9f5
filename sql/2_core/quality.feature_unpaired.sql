-- One row is one segment of one study that has features of one kind and not of the other.
-- grain: study_key segment
-- by: study_key
with once as (
    select
        study_key,
        segments,
    from meta.study_rows
    where table_name = 'feature_once' and is_shown
),

binned as (
    select
        study_key,
        segments,
    from meta.study_rows
    where table_name = 'feature_binned' and is_shown
),

differing as (
    select
        coalesce(once.study_key, binned.study_key) as study_key,
        coalesce(once.segments, []) as once_segments,
        coalesce(binned.segments, []) as binned_segments,
    from once
    full outer join binned
        on once.study_key = binned.study_key
    where once.segments is distinct from binned.segments
),

named as (
    select
        study_key,
        unnest(list_distinct(once_segments || binned_segments)) as segment,
        once_segments,
        binned_segments,
    from differing
)

select
    study_key,
    segment,
    not list_contains(once_segments, segment) as has_no_once,
from named
where list_contains(once_segments, segment) != list_contains(binned_segments, segment)
