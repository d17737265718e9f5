-- One row is one accepted registry record: its study, or why it has none.
-- grain: record_key
-- by: record_key
with candidates as (
    select
        record_key,
        min(study_key) as study_key,
        min(link) as link,
        count(*) as n_studies,
        bool_and(is_same_patient) as is_same_patient,
    from core.clinical_candidate
    group by record_key
),

judged as (
    select
        record.record_key,
        candidates.study_key,
        case
            when candidates.n_studies is null then 'no_study'
            when candidates.n_studies > 1 then 'several_studies'
            when not candidates.is_same_patient then 'accession_of_another_patient'
            else candidates.link
        end as link,
    from raw.clinical as record
    left join candidates
        on record.record_key = candidates.record_key
    where record.is_accepted
),

counted as (
    select
        record_key,
        study_key,
        link,
        count(*) over (
            partition by study_key, link in ('accession', 'patient_and_date')
        ) as n_records,
    from judged
),

linked as (
    select
        record_key,
        study_key,
        case
            when link in ('accession', 'patient_and_date') and n_records > 1 then 'several_records'
            else link
        end as link,
    from counted
),

-- A figure of the gates that is doubtful stands in core.ejection only.
gated as (
    select
        study_key,
        lvef,
    from raw.ejection
    where is_sure
)

select
    record.record_key,
    case
        when linked.link in ('accession', 'patient_and_date') then linked.study_key
    end as study_key,
    record.patient_key,
    linked.link,
    record.reading,
    record.sex,
    record.race,
    record.stress_agent,
    record.smoking,
    record.diabetes,
    record.hypertension,
    record.hyperlipidemia,
    record.family_history,
    record.age,
    record.bmi,
    case cohort_rule.lvef_source
        when 'registry' then record.lvef
        when 'gated' then gated.lvef
        when 'registry_else_gated' then coalesce(record.lvef, gated.lvef)
        when 'gated_else_registry' then coalesce(gated.lvef, record.lvef)
    end as lvef,
    case
        when cohort_rule.lvef_source in ('gated', 'gated_else_registry') and gated.lvef is not null
            then 'gated'
        when cohort_rule.lvef_source != 'gated' and record.lvef is not null then 'registry'
        when cohort_rule.lvef_source != 'registry' and gated.lvef is not null then 'gated'
        else ''
    end as lvef_from,
    record.lvef as lvef_registry,
    gated.lvef as lvef_gated,
    record.cac_total,
    record.cac_lm,
    record.cac_lad,
    record.cac_lcx,
    record.cac_rca,
    record.flags,
    record.study_date_shifted,
    record.cac_date_shifted,
from raw.clinical as record
inner join linked
    on record.record_key = linked.record_key
cross join meta.cohort_rule as cohort_rule
left join gated
    on
        linked.link in ('accession', 'patient_and_date')
        and linked.study_key = gated.study_key
