-- One row is one lesion of one CT: the algorithm's answer beside the person's, and which counts.
-- grain: study_key source_key lesion_key
-- by: study_key
with answers as (
    select *,
    from core.calcium_correction
    where state = 'counts' and "action" != 'undo'
),

outdated as (
    select
        study_key,
        source_key,
        lesion_key,
    from core.calcium_correction
    where state = 'outdated' and is_newest
),

listed as (
    select
        lesion.*,
        'L' || lesion.lesion as lesion_key,
    from raw.calcium_lesion as lesion
),

joined as (
    select
        listed.study_key,
        listed.source_key,
        listed.lesion_key,
        listed.place as algorithm_place,
        listed.probability,
        listed.reason,
        answers."action",
        answers.place as corrected_place,
        coalesce(answers.place, listed.place) as place,
        listed.waits and answers.place is null as waits,
        answers.reason as correction_reason,
        answers.corrector,
        answers.corrected_at,
        outdated.lesion_key is not null as is_outdated,
        listed.score,
        listed.volume_mm3,
        listed.mass_mg,
        listed.area_mm2,
        listed.peak_hu,
        listed.first_slice,
        listed.last_slice,
        listed.x_mm,
        listed.y_mm,
        listed.z_mm,
    from listed
    left join answers
        on
            listed.study_key = answers.study_key
            and listed.source_key = answers.source_key
            and listed.lesion_key = answers.lesion_key
    left join outdated
        on
            listed.study_key = outdated.study_key
            and listed.source_key = outdated.source_key
            and listed.lesion_key = outdated.lesion_key
    union all
    select
        study_key,
        source_key,
        lesion_key,
        '' as algorithm_place,
        null as probability,
        '' as reason,
        "action",
        place as corrected_place,
        place,
        false as waits,
        reason as correction_reason,
        corrector,
        corrected_at,
        false as is_outdated,
        score,
        volume_mm3,
        mass_mg,
        area_mm2,
        peak_hu,
        first_slice,
        last_slice,
        x_mm,
        y_mm,
        z_mm,
    from answers
    where not starts_with(lesion_key, 'L')
)

select
    *,
    place in ('LM', 'LAD', 'LCX', 'RCA', 'left', 'mediastinum', 'marked') as is_coronary,
from joined
