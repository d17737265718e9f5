-- How does one feature of each region go with the calcium of its own artery (Spearman)?
with outcomes as (
    unpivot core.cohort
    on cac_total, cac_lad, cac_lcx, cac_rca
    into name outcome value score
),

ranked as (
    select
        radiomics.segment,
        rank() over (
            partition by radiomics.segment
            order by radiomics.ih_entropy
        ) + (count(*) over (
            partition by radiomics.segment, radiomics.ih_entropy
        ) - 1) / 2 as feature_rank,
        rank() over (
            partition by radiomics.segment
            order by outcomes.score
        ) + (count(*) over (
            partition by radiomics.segment, outcomes.score
        ) - 1) / 2 as score_rank,
    from feature.radiomics as radiomics
    inner join core.segment as segment
        on radiomics.segment = segment.segment
    inner join outcomes
        on
            radiomics.study_key = outcomes.study_key
            and segment.outcome = outcomes.outcome
    where radiomics.bins = 64
)

select
    segment,
    count(*) as n_studies,
    corr(feature_rank, score_rank) as spearman_rho,
from ranked
group by segment
order by segment
