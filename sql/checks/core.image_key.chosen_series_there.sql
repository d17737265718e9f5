-- the series of a chosen volume is one that OMOP's tables know, so that its values have an image
-- suite: snapshot
-- consequence: warn
select
    volume.study_key,
    volume.series_key,
from raw.volume as volume
inner join raw.study as study
    on volume.study_key = study.study_key
anti join core.image_key as image
    on
        volume.study_key = image.study_key
        and volume.series_key = image.series_key
where volume.is_chosen and study.study_date_shifted is not null
