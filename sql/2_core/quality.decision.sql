-- One row is one study that a physician has reviewed: what the answers come to.
-- grain: study_key
-- by: study_key
with answers as (
    select distinct
        study_key,
        decision,
        reason,
        reviewer,
        decided_at,
    from raw.review
),

-- The answer of each account: a later one replaces its own.
standing as (
    select *,
    from answers
    qualify row_number() over (
        partition by study_key, reviewer
        order by decided_at desc, decision desc
    ) = 1
),

counted as (
    select
        study_key,
        count(distinct reviewer) as n_readers,
        count(*) filter (decision = 'accept') as n_accept,
        count(*) filter (decision = 'reject') as n_reject,
    from standing
    group by study_key
),

-- Of two readers: what two have said, and more of them than the contrary.
agreed as (
    select
        counted.*,
        cohort_rule.readers > 1 as is_of_two,
        case
            when cohort_rule.readers = 1 then null
            when n_accept > n_reject and n_accept >= cohort_rule.readers then 'accept'
            when n_reject > n_accept and n_reject >= cohort_rule.readers then 'reject'
        end as agreed_on,
    from counted
    cross join meta.cohort_rule as cohort_rule
),

all_answers as (
    select
        study_key,
        count(*) as n_decisions,
        bool_or(decision = 'reject') as has_reject,
    from answers
    group by study_key
),

-- The newest answer of those that say what was agreed on, else the newest of all.
newest as (
    select
        standing.*,
        agreed.n_readers,
        agreed.n_accept,
        agreed.n_reject,
        agreed.is_of_two,
        agreed.agreed_on,
    from standing
    inner join agreed
        on standing.study_key = agreed.study_key
    where coalesce(standing.decision = agreed.agreed_on, true)
    qualify row_number() over (
        partition by standing.study_key
        order by standing.decided_at desc, standing.decision desc
    ) = 1
)

select
    newest.study_key,
    case
        when newest.is_of_two then coalesce(newest.agreed_on, 'undecided')
        else newest.decision
    end as decision,
    case
        when newest.is_of_two and newest.agreed_on is null then ''
        else newest.reason
    end as reason,
    newest.reviewer,
    newest.decided_at,
    case
        when newest.agreed_on is not null
            then if(least(newest.n_accept, newest.n_reject) > 0, 'consensus', 'agreement')
        when not newest.is_of_two and newest.decision != 'unsure' then 'reader'
        else ''
    end as settled_by,
    newest.n_readers,
    all_answers.n_decisions,
    all_answers.has_reject,
from newest
inner join all_answers
    on newest.study_key = all_answers.study_key
