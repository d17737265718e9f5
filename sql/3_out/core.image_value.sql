-- One row is one value that was measured in an image, as OMOP gets it; doubtful ones are not here.
-- grain: study_key site measure bins
-- checked: with meta.study_rows
with levels as (
    select
        bins,
        row_number() over (order by bins) - 1 as "level",
    from (
        select distinct bins,
        from raw.feature_binned
    ) as numbers
),

-- Each study has so many numbers: gates first, then 500 for each segment and grey level.
block as (
    select 500 + 3500 * count(*) as size,
    from levels
),

chosen as (
    select
        study_key,
        series_key,
    from raw.volume
    where is_chosen
),

radiomics as (
    select
        long_values.study_key,
        chosen.series_key,
        long_values.segment as site,
        long_values.feature as measure,
        case when long_values.depends_on_bins then long_values.bins else 0 end as bins,
        500 + 500 * (7 * levels."level" + segment."position" - 1) + dictionary."position" as place,
        case when long_values.depends_on_bins then 'feature_binned' else 'feature_once' end
            as table_name,
        long_values."value",
    from feature.radiomics_long as long_values
    inner join chosen
        on long_values.study_key = chosen.study_key
    inner join levels
        on long_values.bins = levels.bins
    inner join core.segment as segment
        on long_values.segment = segment.segment
    inner join core.feature_dictionary as dictionary
        on long_values.feature = dictionary.feature
    where long_values.depends_on_bins or levels."level" = 0
),

sure as (
    select
        ejection.study_key,
        volume.series_key,
        ejection.lvef,
        ejection.edv_ml,
        ejection.esv_ml,
        ejection.stroke_ml,
        ejection.phase_sd_deg,
        ejection.phase_bandwidth_deg,
    from raw.ejection as ejection
    inner join raw.volume as volume
        on
            ejection.study_key = volume.study_key
            and ejection.object_key = volume.object_key
    where ejection.is_sure
),

whole as (
    select
        sure.study_key,
        sure.series_key,
        measured.site,
        measured.measure,
        0 as bins,
        measured.place,
        'ejection' as table_name,
        measured."value",
    from sure
    cross join lateral (
        values
        ('LV', 'lvef', 1, sure.lvef),
        ('LV', 'edv_ml', 2, sure.edv_ml),
        ('LV', 'esv_ml', 3, sure.esv_ml),
        ('LV', 'stroke_ml', 4, sure.stroke_ml),
        ('MYO', 'phase_sd_deg', 5, sure.phase_sd_deg),
        ('MYO', 'phase_bandwidth_deg', 6, sure.phase_bandwidth_deg)
    ) as measured (site, measure, place, "value")
),

thickening as (
    select
        segment.study_key,
        sure.series_key,
        segment.segment as site,
        'thickening' as measure,
        0 as bins,
        6 + cast(segment.segment[2:] as integer) as place,
        'ejection_segment' as table_name,
        segment.thickening as "value",
    from raw.ejection_segment as segment
    inner join sure
        on segment.study_key = sure.study_key
),

unioned as (
    select *,
    from radiomics
    union all
    select *,
    from whole
    union all
    select *,
    from thickening
)

select
    unioned.study_key,
    unioned.series_key,
    unioned.site,
    unioned.measure,
    unioned.bins,
    unioned.table_name,
    image.person_id,
    image.procedure_occurrence_id,
    image.image_occurrence_id,
    block.size * (image.procedure_occurrence_id - 1) + unioned.place as image_feature_id,
    unioned."value",
    image.study_date_shifted,
from unioned
inner join core.image_key as image
    on
        unioned.study_key = image.study_key
        and unioned.series_key = image.series_key
cross join block
where isfinite(unioned."value")
