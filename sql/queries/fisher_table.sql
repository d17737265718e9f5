-- In which segments does which configuration beat chance (Fisher's X against its threshold)?
select
    test.profile,
    test.segment,
    test.configuration,
    test.statistic,
    test.threshold,
    test.statistic > test.threshold as is_significant,
    test.median_r,
    test.n_valid,
from evaluation.combined_test as test
inner join core.cohort_frozen as cohort_frozen
    on test.cohort_hash = cohort_frozen.cohort_hash
where
    cohort_frozen.is_latest
    and test.test = 'fisher'
order by test.profile, test.segment, test.configuration
