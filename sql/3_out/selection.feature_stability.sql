-- One row is one feature's stability under a family of perturbations, in one segment at one level.
-- grain: cohort_hash family segment bins feature
-- checked: with raw.feature_stability
select
    found.cohort_hash,
    found.family,
    found.segment,
    found.bins,
    found.feature,
    dictionary.ibsi_code,
    dictionary.family as feature_family,
    dictionary.aggregation,
    coalesce(cohort_frozen.is_latest, false) as is_latest,
    case
        when found.icc3 >= 0.9 then 'excellent'
        when found.icc3 >= 0.75 then 'good'
        when found.icc3 >= 0.5 then 'moderate'
        when found.icc3 is not null then 'poor'
    end as grade,
    found.n_studies,
    found.n_perturbations,
    found.icc1,
    found.icc1_low,
    found.icc1_high,
    found.icc3,
    found.icc3_low,
    found.icc3_high,
    found.mean,
    found.sd_between,
    found.sd_within,
from raw.feature_stability as found
left join core.feature_dictionary as dictionary
    on found.feature = dictionary.feature
left join core.cohort_frozen as cohort_frozen
    on found.cohort_hash = cohort_frozen.cohort_hash
