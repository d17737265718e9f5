-- One row is one report or CT beside one study: its calcium as corrected, and whether it counts.
-- grain: study_key source_key
-- by: study_key
with sums as (
    select
        study_key,
        source_key,
        count(*) filter (corrected_place is not null) as n_corrected,
        count(*) filter (waits) as n_waiting,
        coalesce(sum(score order by score) filter (is_coronary), 0) as total,
        coalesce(sum(score order by score) filter (place = 'LM'), 0) as lm,
        coalesce(sum(score order by score) filter (place = 'LAD'), 0) as lad,
        coalesce(sum(score order by score) filter (place = 'LCX'), 0) as lcx,
        coalesce(sum(score order by score) filter (place = 'RCA'), 0) as rca,
        coalesce(sum(score order by score) filter (place = 'left'), 0) as left_open,
        count(*) filter (place in ('mediastinum', 'marked')) = 0 as is_told,
    from core.calcium_lesion
    group by study_key, source_key
),

outdated as (
    select
        study_key,
        source_key,
        count(*) as n_outdated,
    from core.calcium_correction
    where state = 'outdated' and is_newest
    group by study_key, source_key
),

joined as (
    select
        source.*,
        coalesce(sums.n_corrected, 0) as n_corrected,
        coalesce(outdated.n_outdated, 0) as n_outdated,
        coalesce(sums.n_corrected, 0) > 0 as is_corrected,
        source.reason = 'waits_for_person' and sums.n_waiting = 0 as is_settled,
        sums.n_waiting as still_waiting,
        sums.total as corrected_total,
        sums.left_open as corrected_left_open,
        case when sums.is_told and sums.left_open = 0 then sums.lm end as corrected_lm,
        case when sums.is_told and sums.left_open = 0 then sums.lad end as corrected_lad,
        case when sums.is_told then sums.lcx end as corrected_lcx,
        case when sums.is_told then sums.rca end as corrected_rca,
    from raw.calcium_source as source
    left join sums
        on
            source.study_key = sums.study_key
            and source.source_key = sums.source_key
    left join outdated
        on
            source.study_key = outdated.study_key
            and source.source_key = outdated.source_key
)

select
    study_key,
    source_key,
    kind,
    state,
    case when is_corrected and is_settled then '' else reason end as reason,
    is_counted or (is_corrected and is_settled) as is_counted,
    "status",
    days,
    if(is_corrected, corrected_total, total) as total,
    if(is_corrected, corrected_lm, lm) as lm,
    if(is_corrected, corrected_lad, lad) as lad,
    if(is_corrected, corrected_lcx, lcx) as lcx,
    if(is_corrected, corrected_rca, rca) as rca,
    if(is_corrected, corrected_left_open, left_open) as left_open,
    if(is_corrected, still_waiting, n_waiting) as n_waiting,
    total as algorithm_total,
    lm as algorithm_lm,
    lad as algorithm_lad,
    lcx as algorithm_lcx,
    rca as algorithm_rca,
    reason as algorithm_reason,
    n_corrected,
    n_outdated,
from joined
