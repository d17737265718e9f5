-- One row is one pair of readers: how far they agree on the same studies (Cohen's kappa).
-- grain: reader_a reader_b
with first_answers as (
    select
        study_key,
        reviewer,
        min(decided_at) as first_at,
    from quality.review
    group by study_key, reviewer
),

-- The first two accounts of a study. A third one, and whatever comes after the second account's
-- first answer, was given when the other's answer could be read: it says nothing of agreement.
readers as (
    select
        study_key,
        reviewer,
        nth_value(first_at, 2) over (
            partition by study_key
            order by first_at, reviewer
            rows between unbounded preceding and unbounded following
        ) as both_at,
    from first_answers
    qualify row_number() over (partition by study_key order by first_at, reviewer) <= 2
),

last_decisions as (
    select
        readers.study_key,
        readers.reviewer,
        review.decision,
    from readers
    inner join quality.review as review
        on
            readers.study_key = review.study_key
            and readers.reviewer = review.reviewer
            and readers.both_at >= review.decided_at
    qualify row_number() over (
        partition by readers.study_key, readers.reviewer
        order by review.decided_at desc, review.decision desc
    ) = 1
),

pairs as (
    select
        one.reviewer as reader_a,
        other.reviewer as reader_b,
        one.decision as decision_a,
        other.decision as decision_b,
    from last_decisions as one
    inner join last_decisions as other
        on
            one.study_key = other.study_key
            and one.reviewer < other.reviewer
),

-- How often each of the two gave each decision.
shares as (
    select
        reader_a,
        reader_b,
        unnest(['accept', 'reject', 'unsure']) as decision,
        unnest(
            [
                avg((decision_a = 'accept')::int),
                avg((decision_a = 'reject')::int),
                avg((decision_a = 'unsure')::int),
            ]
        ) as share_a,
        unnest(
            [
                avg((decision_b = 'accept')::int),
                avg((decision_b = 'reject')::int),
                avg((decision_b = 'unsure')::int),
            ]
        ) as share_b,
    from pairs
    group by reader_a, reader_b
),

by_chance as (
    select
        reader_a,
        reader_b,
        sum(share_a * share_b order by share_a * share_b) as expected,
    from shares
    group by reader_a, reader_b
),

observed as (
    select
        reader_a,
        reader_b,
        count(*) as n_studies,
        count(*) filter (decision_a = decision_b) as n_agreeing,
    from pairs
    group by reader_a, reader_b
)

select
    observed.reader_a,
    observed.reader_b,
    observed.n_studies,
    observed.n_agreeing,
    observed.n_agreeing / observed.n_studies as agreement,
    by_chance.expected as agreement_by_chance,
    -- None where both always said the same one thing: chance explains all of it.
    (observed.n_agreeing / observed.n_studies - by_chance.expected)
    / nullif(1.0 - by_chance.expected, 0.0) as kappa,
from observed
inner join by_chance
    on
        observed.reader_a = by_chance.reader_a
        and observed.reader_b = by_chance.reader_b
