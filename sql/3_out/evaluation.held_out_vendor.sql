-- One row is one measure of models of the other vendors, on the patients of one vendor.
-- grain: cohort_hash profile segment configuration vendor metric
-- checked: with raw.held_out_vendor
select
    cohort_hash,
    profile,
    segment,
    configuration,
    vendor,
    metric,
    "value",
    low,
    high,
    n_test,
    n_train,
from raw.held_out_vendor
