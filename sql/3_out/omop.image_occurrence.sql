-- One row is one stored series, as image_occurrence of OMOP's imaging extension (MI-CDM).
-- grain: image_occurrence_id
-- checked: with core.image_key
with site as (
    select concept_id,
    from core.image_concept
    where kind = 'site' and "name" = 'HEART'
)

select
    image.image_occurrence_id,
    image.person_id,
    image.procedure_occurrence_id,
    cast(null as bigint) as visit_occurrence_id,
    site.concept_id as anatomic_site_concept_id,
    -- Where the files are, and the archive's own UIDs, are nobody's concern outside.
    cast(null as varchar) as wadors_uri,
    cast(null as varchar) as local_path,
    image.study_date_shifted as image_occurrence_date,
    image.study_key as image_study_uid,
    image.series_key as image_series_uid,
    coalesce(modality.concept_id, 0) as modality_concept_id,
from core.image_key as image
cross join site
left join core.image_concept as modality
    on modality.kind = 'modality' and image.modality = modality."name"
