-- Do the features drift with time or scanner? Two of them in the whole wall, by true quarter.
select
    study.acquired_period,
    study.manufacturer,
    study.scanner_model,
    count(*) as n_studies,
    median(radiomics.morph_volume) as median_volume_mm3,
    median(radiomics.ih_entropy) as median_entropy_bits,
    mad(radiomics.ih_entropy) as mad_entropy_bits,
from feature.radiomics as radiomics
inner join core.study as study
    on radiomics.study_key = study.study_key
where
    radiomics.segment = 'MYO'
    and radiomics.bins = 64
group by study.acquired_period, study.manufacturer, study.scanner_model
order by study.acquired_period, study.manufacturer, study.scanner_model
