-- One row is one measure of models of the other vendors, on the patients of one vendor.
-- grain: cohort_hash profile segment configuration vendor metric
select *,
from ${held_out_vendor}
