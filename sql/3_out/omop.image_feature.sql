-- One row is one value of an image, as image_feature of OMOP's imaging extension (MI-CDM).
-- grain: image_feature_id
-- checked: with meta.study_rows
with made as (
    select
        table_name,
        unit_key,
        max(engine) as engine,
        max(config) as config,
        max(last_named_at) as made_at,
    from meta.lineage
    group by table_name, unit_key
)

select
    image.image_feature_id,
    image.person_id,
    image.image_occurrence_id,
    -- The table measurement, whose row with the same number holds the value.
    1147330 as image_feature_event_field_concept_id,
    image.image_feature_id as image_feature_event_id,
    concept.concept_id as image_feature_concept_id,
    -- Type concept "Standard algorithm".
    32880 as image_feature_type_concept_id,
    cast(null as bigint) as image_finding_concept_id,
    cast(null as bigint) as image_finding_id,
    site.concept_id as anatomic_site_concept_id,
    concat(
        'urn:mpss:', image.table_name, ':engine=', made.engine, ':config=', made.config
    ) as alg_system,
    made.made_at as alg_datetime,
from core.image_value as image
inner join core.image_concept as concept
    on
        concept.kind = 'measure'
        and image.measure = concept."name"
        and image.bins = concept.bins
inner join core.image_concept as site
    on site.kind = 'site' and image.site = site."name"
left join made
    on
        image.table_name = made.table_name
        and image.study_key = made.unit_key
