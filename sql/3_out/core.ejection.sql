-- One row is one study whose gates were looked for: volumes and ejection fraction, or why none.
-- grain: study_key
-- checked: with raw.ejection
select
    study_key,
    object_key,
    state,
    reasons,
    problem,
    is_sure,
    flags,
    doubts,
    n_gates,
    n_gates_used,
    lvef,
    lvef_sd,
    lvef_gates,
    edv_ml,
    esv_ml,
    stroke_ml,
    wall_ml,
    wall_mm,
    fwhm_mm,
    phase_mean_deg,
    phase_sd_deg,
    phase_bandwidth_deg,
    curve_ml,
    count_share,
from raw.ejection
