-- the first seed of the splits is that of the runs, and gives the same X of Fisher
-- suite: snapshot
-- consequence: warn
with first_seed as (
    select
        cohort_hash,
        profile,
        segment,
        configuration,
        fisher,
    from raw.split_seed
    qualify row_number() over (
        partition by cohort_hash, profile, segment, configuration
        order by seed
    ) = 1
),

fisher_test as (
    select
        cohort_hash,
        profile,
        segment,
        configuration,
        statistic,
    from raw.combined_test
    where test = 'fisher'
)

select
    first_seed.cohort_hash,
    first_seed.profile,
    first_seed.segment,
    first_seed.configuration,
    first_seed.fisher,
    fisher_test.statistic,
from first_seed
inner join fisher_test
    on
        first_seed.cohort_hash = fisher_test.cohort_hash
        and first_seed.profile = fisher_test.profile
        and first_seed.segment = fisher_test.segment
        and first_seed.configuration = fisher_test.configuration
where abs(first_seed.fisher - fisher_test.statistic) > 1e-6
