-- Which engine, settings, code and input made the features of each study of the cohort?
select
    lineage.unit_key as study_key,
    lineage.engine,
    lineage.config,
    lineage.input_digest,
    lineage.code_version,
    lineage.content_sha256,
from meta.lineage as lineage
inner join core.cohort as cohort
    on lineage.unit_key = cohort.study_key
where lineage.table_name = 'feature_binned'
order by lineage.unit_key
