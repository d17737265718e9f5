-- How far are the newest predictions from the known scores, out of sample?
select
    prediction.segment,
    prediction.configuration,
    count(*) as n_studies,
    median(abs(prediction.value - cohort.cac_total)) as median_error,
    corr(prediction.value, cohort.cac_total) as pearson_r,
from result.prediction_latest as prediction
inner join core.cohort as cohort
    on prediction.study_key = cohort.study_key
where
    prediction.segment = 'MYO'
    and prediction.is_out_of_sample
    and prediction.value is not null
group by prediction.segment, prediction.configuration
order by prediction.configuration
