-- One row is one chosen feature: what the scanner explains of it, after the clinical terms.
-- grain: cohort_hash profile segment feature
-- checked: with raw.scanner_effect
select
    effect.cohort_hash,
    effect.profile,
    effect.segment,
    effect.feature,
    effect.bins,
    dictionary.ibsi_code,
    dictionary.family,
    coalesce(effect.epsilon_squared >= 0.14 and effect.p_adjusted <= 0.05, false) as is_large,
    effect.eta_squared,
    effect.epsilon_squared,
    effect.omega_squared,
    effect.f_statistic,
    effect.p_value,
    effect.p_adjusted,
    effect.n,
    effect.n_scanners,
    effect.df_scanner,
    effect.df_residual,
from raw.scanner_effect as effect
left join core.feature_dictionary as dictionary
    on effect.feature = dictionary.feature
