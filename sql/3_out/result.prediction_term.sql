-- One row is one term of the models behind one newest prediction: its value, coefficient and part.
-- grain: study_key segment configuration profile term level
-- checked: with meta.study_rows
with predicted as (
    select
        study_key,
        segment,
        configuration,
        profile,
        cohort_hash,
        is_training_study,
    from result.prediction_latest
    where "value" is not null
    union all
    select
        study_key,
        segment,
        configuration,
        'elastic_net' as profile,
        cohort_hash,
        is_training_study,
    from result.prediction_latest
    where corrected_value is not null
),

-- A study of the training cohort is predicted by the models that were not fitted to it.
used as (
    select
        predicted.study_key,
        predicted.segment,
        predicted.configuration,
        predicted.profile,
        predicted.cohort_hash,
        predicted.is_training_study,
        model.model_key,
        model.bins,
        model.intercept,
        model.outcome_transform,
        count(*) over (
            partition by
                predicted.study_key,
                predicted.segment,
                predicted.configuration,
                predicted.profile
        ) as n_models,
    from predicted
    inner join raw.model as model
        on
            predicted.cohort_hash = model.cohort_hash
            and predicted.profile = model.profile
            and predicted.segment = model.segment
            and predicted.configuration = model.configuration
    where
        not predicted.is_training_study
        or list_contains(model.test_studies, predicted.study_key)
),

-- As it was when the cohort was frozen; of any other study as it is now.
told as (
    select
        cohort_hash,
        study_key,
        true as is_training_study,
        sex,
        race,
        age,
        bmi,
        lvef,
        smoking,
        diabetes,
        hypertension,
        hyperlipidemia,
        family_history,
    from raw.cohort_outcome
    union all
    select
        null as cohort_hash,
        study_key,
        false as is_training_study,
        sex,
        race,
        age,
        bmi,
        lvef,
        smoking,
        diabetes,
        hypertension,
        hyperlipidemia,
        family_history,
    from core.clinical
    where study_key is not null
),

clinical as (
    select
        cohort_hash,
        study_key,
        is_training_study,
        map { 'sex': sex, 'race': race } as categories,
        map {
            'age': age,
            'bmi': bmi,
            'lvef': lvef,
            'smoking': smoking::int::double,
            'diabetes': diabetes::int::double,
            'hypertension': hypertension::int::double,
            'hyperlipidemia': hyperlipidemia::int::double,
            'family_history': family_history::int::double
        } as numbers,
    from told
),

scanners as (
    select
        study_key,
        coalesce(nullif(trim(manufacturer), ''), 'unknown')
        || ' '
        || coalesce(nullif(trim(scanner_model), ''), 'unknown') as scanner,
    from core.study
),

terms as (
    select
        used.study_key,
        used.segment,
        used.configuration,
        used.profile,
        used.outcome_transform,
        used.n_models,
        term.source,
        term.term,
        term.level,
        term.coefficient,
        scale.factor,
        scale."offset",
        case
            when term.source = 'feature' then long_values."value"
            when term.level = '' then clinical.numbers[term.term]
            else (clinical.categories[term.term] = term.level)::int::double
        end as "value",
        -- Of a harmonised feature: what the clinical terms of the study add.
        coalesce(
            list_sum(
                list_transform(
                    list_zip(scale.covariates, scale.weights),
                    lambda pair: pair[2] * case
                        when contains(pair[1], '=')
                            then
                                (
                                    clinical.categories[split_part(pair[1], '=', 1)]
                                    = split_part(pair[1], '=', 2)
                                )::int::double
                        else clinical.numbers[pair[1]]
                    end
                )
            ),
            0.0
        ) as added,
    from used
    inner join raw.model_term as term
        on
            used.model_key = term.model_key
            and not term.is_reference
    left join feature.radiomics_long as long_values
        on
            used.study_key = long_values.study_key
            and used.segment = long_values.segment
            and used.bins = long_values.bins
            and term.term = long_values.feature
            and term.source = 'feature'
    left join clinical
        on
            used.study_key = clinical.study_key
            and used.is_training_study = clinical.is_training_study
            and (not used.is_training_study or used.cohort_hash = clinical.cohort_hash)
    left join scanners
        on used.study_key = scanners.study_key
    left join raw.model_harmonisation as scale
        on
            used.model_key = scale.model_key
            and scanners.scanner = scale.scanner
            and term.term = scale.term
),

parts as (
    select
        *,
        coefficient * coalesce(factor * "value" + "offset" + added, "value") as part,
    from terms
),

-- Ordered: the last digit of a sum of doubles hangs on the order, and that on the machine's load.
summed as (
    select
        study_key,
        segment,
        configuration,
        profile,
        source,
        term,
        level,
        any_value(outcome_transform) as outcome_transform,
        any_value("value") as "value",
        any_value(n_models) as n_models,
        count(*) as n_with_term,
        sum(coefficient order by coefficient) / any_value(n_models) as coefficient,
        sum(part order by part) / any_value(n_models) as contribution,
    from parts
    group by study_key, segment, configuration, profile, source, term, level
    union all
    select
        study_key,
        segment,
        configuration,
        profile,
        'intercept' as source,
        '(intercept)' as term,
        '' as level,
        any_value(outcome_transform) as outcome_transform,
        null as "value",
        any_value(n_models) as n_models,
        count(*) as n_with_term,
        avg(intercept order by intercept) as coefficient,
        avg(intercept order by intercept) as contribution,
    from used
    group by study_key, segment, configuration, profile
)

select
    summed.study_key,
    summed.segment,
    summed.configuration,
    summed.profile,
    summed.source,
    summed.term,
    summed.level,
    dictionary.human_name,
    dictionary.unit,
    summed.outcome_transform,
    summed."value",
    summed.coefficient,
    summed.contribution,
    case
        when summed.source != 'intercept'
            then
                abs(summed.contribution)
                / nullif(
                    sum(abs(summed.contribution)) filter (summed.source != 'intercept') over (
                        partition by
                            summed.study_key,
                            summed.segment,
                            summed.configuration,
                            summed.profile
                        order by abs(summed.contribution)
                        rows between unbounded preceding and unbounded following
                    ),
                    0
                )
    end as share,
    summed.n_models,
    summed.n_with_term,
from summed
left join core.feature_dictionary as dictionary
    on
        summed.term = dictionary.feature
        and summed.source = 'feature'
