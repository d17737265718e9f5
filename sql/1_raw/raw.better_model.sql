-- One row is one measure of the elastic net, on patients that neither tuning nor fit has seen.
-- grain: cohort_hash segment configuration metric
select *,
from ${better_model}
