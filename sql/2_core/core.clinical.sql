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
),

-- Of each kind one counts at most; a CT for attenuation correction never does.
counted_scores as (
    select
        calcium.study_key,
        calcium.kind,
        calcium.total,
        calcium.lm,
        calcium.lad,
        calcium.lcx,
        calcium.rca,
        study.study_date_shifted + calcium.days::integer as cac_date_shifted,
    from core.calcium_source as calcium
    inner join raw.study as study
        on calcium.study_key = study.study_key
    where calcium.is_counted
),

-- The first source of the setting that has a total; the first one where none has.
sourced as (
    select
        linked.record_key,
        cohort_rule.cac_source[
            coalesce(
                least(
                    case
                        when record.cac_total is not null
                            then nullif(list_position(cohort_rule.cac_source, 'registry'), 0)
                    end,
                    case
                        when report.total is not null
                            then nullif(list_position(cohort_rule.cac_source, 'report'), 0)
                    end,
                    case
                        when ct.total is not null
                            then nullif(list_position(cohort_rule.cac_source, 'ct'), 0)
                    end
                ),
                1
            )
        ] as source,
        report.total as report_total,
        report.lm as report_lm,
        report.lad as report_lad,
        report.lcx as report_lcx,
        report.rca as report_rca,
        report.cac_date_shifted as report_date_shifted,
        ct.total as ct_total,
        ct.lm as ct_lm,
        ct.lad as ct_lad,
        ct.lcx as ct_lcx,
        ct.rca as ct_rca,
        ct.cac_date_shifted as ct_date_shifted,
    from linked
    inner join raw.clinical as record
        on linked.record_key = record.record_key
    cross join meta.cohort_rule as cohort_rule
    left join counted_scores as report
        on
            linked.link in ('accession', 'patient_and_date')
            and linked.study_key = report.study_key
            and report.kind = 'report'
    left join counted_scores as ct
        on
            linked.link in ('accession', 'patient_and_date')
            and linked.study_key = ct.study_key
            and ct.kind = 'calcium_ct'
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
    case
        when sourced.source = 'registry' and record.cac_total is not null then 'registry'
        when sourced.source = 'report' and sourced.report_total is not null then 'report'
        when sourced.source = 'ct' and sourced.ct_total is not null then 'ct'
        else ''
    end as cac_from,
    case sourced.source
        when 'registry' then record.cac_total
        when 'report' then sourced.report_total
        when 'ct' then sourced.ct_total
    end as cac_total,
    case sourced.source
        when 'registry' then record.cac_lm
        when 'report' then sourced.report_lm
        when 'ct' then sourced.ct_lm
    end as cac_lm,
    case sourced.source
        when 'registry' then record.cac_lad
        when 'report' then sourced.report_lad
        when 'ct' then sourced.ct_lad
    end as cac_lad,
    case sourced.source
        when 'registry' then record.cac_lcx
        when 'report' then sourced.report_lcx
        when 'ct' then sourced.ct_lcx
    end as cac_lcx,
    case sourced.source
        when 'registry' then record.cac_rca
        when 'report' then sourced.report_rca
        when 'ct' then sourced.ct_rca
    end as cac_rca,
    record.cac_total as cac_registry_total,
    record.cac_lm as cac_registry_lm,
    record.cac_lad as cac_registry_lad,
    record.cac_lcx as cac_registry_lcx,
    record.cac_rca as cac_registry_rca,
    record.flags,
    record.study_date_shifted,
    case sourced.source
        when 'registry' then record.cac_date_shifted
        when 'report' then sourced.report_date_shifted
        when 'ct' then sourced.ct_date_shifted
    end as cac_date_shifted,
from raw.clinical as record
inner join linked
    on record.record_key = linked.record_key
inner join sourced
    on record.record_key = sourced.record_key
cross join meta.cohort_rule as cohort_rule
left join gated
    on
        linked.link in ('accession', 'patient_and_date')
        and linked.study_key = gated.study_key
