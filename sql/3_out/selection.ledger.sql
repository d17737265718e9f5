-- One row is one step of the choice of features for one cohort: how many features stay.
-- grain: cohort_hash step
with steps as (
    select
        step,
        "position",
        n_paper,
    from (
        values
        ('S0_aggregation', 1, 215),
        ('S0_family', 2, 166),
        ('S1_undefined', 3, 166),
        ('S2_identical', 4, 162),
        ('S3_variety', 5, 121),
        ('S4_same_ranks', 6, 118),
        ('S5_dynamic_range', 7, 113),
        ('S6_correlated', 8, 56)
    ) as listed (step, "position", n_paper)
),

cohorts as (
    select
        cohort_hash,
        count(distinct feature) as n_features,
    from raw.selection_step
    group by cohort_hash
),

removed as (
    select
        cohort_hash,
        step,
        count(distinct feature) as n_removed,
    from raw.selection_step
    group by cohort_hash, step
),

counted as (
    select
        cohorts.cohort_hash,
        steps."position",
        steps.step,
        cohorts.n_features,
        coalesce(removed.n_removed, 0) as n_removed,
        steps.n_paper,
    from cohorts
    cross join steps
    left join removed
        on
            cohorts.cohort_hash = removed.cohort_hash
            and steps.step = removed.step
)

select
    counted.cohort_hash,
    counted."position",
    counted.step,
    coalesce(cohort_frozen.is_latest, false) as is_latest,
    counted.n_features - sum(counted.n_removed) over steps_so_far + counted.n_removed as n_before,
    counted.n_removed,
    counted.n_features - sum(counted.n_removed) over steps_so_far as n_after,
    counted.n_paper,
from counted
left join core.cohort_frozen as cohort_frozen
    on counted.cohort_hash = cohort_frozen.cohort_hash
window steps_so_far as (
    partition by counted.cohort_hash
    order by counted."position"
)
