-- One row is one answer of a person about one lesion of one CT, and whether it counts.
-- grain: study_key source_key lesion_key corrected_at
-- by: study_key
with records as (
    select distinct
        study_key,
        source_key,
        lesion_key,
        "action",
        place,
        algorithm_place,
        reason,
        corrector,
        corrected_at,
        made_from,
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
    from raw.calcium_correction
),

-- Lesions of the list that lie where a record's lesion lay, with the same score.
same_place as (
    select
        records.study_key,
        records.source_key,
        records.lesion_key,
        records.corrected_at,
        bool_or(
            records.lesion_key = 'L' || lesion.lesion and records.algorithm_place = lesion.place
        ) as is_the_lesion,
    from records
    inner join raw.calcium_lesion as lesion
        on
            records.study_key = lesion.study_key
            and records.source_key = lesion.source_key
            and records.score = lesion.score
            and records.x_mm = lesion.x_mm
            and records.y_mm = lesion.y_mm
            and records.z_mm = lesion.z_mm
    group by records.study_key, records.source_key, records.lesion_key, records.corrected_at
),

judged as (
    select
        records.*,
        coalesce(source.state, '') != 'scored'
        or coalesce(records.made_from, '') != coalesce(source.made_from, '')
        or if(
            starts_with(records.lesion_key, 'L'),
            not coalesce(same_place.is_the_lesion, false),
            same_place.is_the_lesion is not null
        ) as is_outdated,
    from records
    left join raw.calcium_source as source
        on
            records.study_key = source.study_key
            and records.source_key = source.source_key
    left join same_place
        on
            records.study_key = same_place.study_key
            and records.source_key = same_place.source_key
            and records.lesion_key = same_place.lesion_key
            and records.corrected_at = same_place.corrected_at
),

in_turn as (
    select
        *,
        row_number() over (
            partition by study_key, source_key, lesion_key
            order by corrected_at desc
        ) = 1 as is_newest,
        row_number() over (
            partition by study_key, source_key, lesion_key, is_outdated
            order by corrected_at desc
        ) = 1 as is_newest_of_kind,
    from judged
)

select
    study_key,
    source_key,
    lesion_key,
    "action",
    case
        when is_outdated then 'outdated'
        when is_newest_of_kind then 'counts'
        else 'replaced'
    end as state,
    is_newest,
    place,
    algorithm_place,
    reason,
    corrector,
    corrected_at,
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
from in_turn
