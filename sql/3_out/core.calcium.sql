-- One row is one study with a calcium score: of registry, report and CT, and which counts.
-- grain: study_key
with registry as (
    select
        study_key,
        cac_from,
        cac_total,
        cac_registry_total,
        cac_registry_lm,
        cac_registry_lad,
        cac_registry_lcx,
        cac_registry_rca,
    from core.clinical
    where study_key is not null
),

report as (
    select
        study_key,
        "status",
        total,
        lm,
        lad,
        lcx,
        rca,
        days,
    from core.calcium_source
    where kind = 'report' and is_counted
),

ct as (
    select
        study_key,
        reason,
        total,
        lm,
        lad,
        lcx,
        rca,
        days,
        algorithm_total,
        n_corrected,
        n_outdated,
    from core.calcium_source
    where kind = 'calcium_ct' and state = 'scored'
),

attenuation as (
    select
        study_key,
        total,
    from core.calcium_source
    where kind = 'attenuation_ct' and state = 'scored'
),

studies as (
    select study_key,
    from registry
    union
    select study_key,
    from core.calcium_source
),

joined as (
    select
        studies.study_key,
        coalesce(registry.cac_from, '') as cac_from,
        coalesce(report."status", '') as report_status,
        coalesce(ct.reason, '') as ct_reason,
        registry.cac_total,
        registry.cac_registry_total as registry_total,
        registry.cac_registry_lm as registry_lm,
        registry.cac_registry_lad as registry_lad,
        registry.cac_registry_lcx as registry_lcx,
        registry.cac_registry_rca as registry_rca,
        report.total as report_total,
        report.lm as report_lm,
        report.lad as report_lad,
        report.lcx as report_lcx,
        report.rca as report_rca,
        ct.total as ct_total,
        ct.lm as ct_lm,
        ct.lad as ct_lad,
        ct.lcx as ct_lcx,
        ct.rca as ct_rca,
        ct.algorithm_total as ct_algorithm_total,
        ct.n_corrected as ct_corrected,
        ct.n_outdated as ct_outdated,
        attenuation.total as attenuation_total,
        report.total - registry.cac_registry_total as report_difference,
        ct.total - registry.cac_registry_total as ct_difference,
        report.days as report_days,
        ct.days as ct_days,
    from studies
    left join registry
        on studies.study_key = registry.study_key
    left join report
        on studies.study_key = report.study_key
    left join ct
        on studies.study_key = ct.study_key
    left join attenuation
        on studies.study_key = attenuation.study_key
)

select *,
from joined
where coalesce(registry_total, report_total, ct_total, attenuation_total) is not null
