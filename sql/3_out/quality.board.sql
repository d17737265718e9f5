-- One row is one study with a verdict: what a physician needs to know about it.
-- grain: study_key
-- by: study_key
select
    verdict.study_key,
    study.patient_key,
    verdict.verdict,
    verdict.flags,
    verdict.not_assessable,
    segmentation.is_sure as is_segmentation_sure,
    segmentation.flags as segmentation_flags,
    decision.decision as last_decision,
    decision.reason as last_reason,
    decision.reviewer as last_reviewer,
    decision.decided_at as last_decided_at,
    decision.settled_by,
    coalesce(decision.n_readers, 0) as n_readers,
    flow.reason as cohort_reason,
    flow.reason = 'review_pending' as is_awaiting_review,
    study.acquired_period,
    study.manufacturer,
    study.scanner_model,
    segmentation.myocardium_ml,
    segmentation.cavity_ml,
    segmentation.length_mm,
    study.study_date_shifted,
    segmentation.mask_path,
from raw.quality_verdict as verdict
inner join core.study as study
    on verdict.study_key = study.study_key
left join raw.segmentation as segmentation
    on verdict.study_key = segmentation.study_key
left join quality.decision as decision
    on verdict.study_key = decision.study_key
left join core.cohort_flow as flow
    on verdict.study_key = flow.study_key
