-- Version 1 of the results database: predictions, what the evaluation found, and whose they are.
create table ${results}.schema_version (
    version integer primary key,
    sha256 text not null,
    applied_at timestamp with time zone not null default transaction_timestamp()
);

create table ${results}.source (
    is_the_one boolean primary key default true check (is_the_one),
    lake text not null,
    snapshot_sequence bigint not null,
    snapshot_published_at timestamp with time zone not null,
    code_version text not null,
    exported_at timestamp with time zone not null
);

create table ${results}.prediction (
    study_key text not null,
    segment text not null,
    configuration text not null,
    is_current boolean not null,
    left_reason text not null,
    profile text,
    cohort_hash text,
    berman_class bigint,
    is_training_study boolean,
    is_out_of_sample boolean,
    no_value_reason text,
    value double precision,
    value_low double precision,
    value_high double precision,
    corrected_value double precision,
    corrected_low double precision,
    corrected_high double precision,
    n_models bigint,
    predicted_at timestamp with time zone,
    engine text,
    config text,
    code_version text,
    version bigint not null default 1,
    updated_at timestamp with time zone not null default transaction_timestamp(),
    primary key (study_key, segment, configuration)
);

create table ${results}.evaluation (
    cohort_hash text not null,
    profile text not null,
    segment text not null,
    configuration text not null,
    is_latest boolean not null,
    is_underpowered boolean,
    has_withdrawn boolean,
    n_studies bigint,
    n_patients bigint,
    n_runs bigint,
    n_valid bigint,
    median_r double precision,
    quartile_1_r double precision,
    quartile_3_r double precision,
    median_p double precision,
    mean_n_terms double precision,
    first_frozen_at timestamp with time zone,
    code_version text,
    version bigint not null default 1,
    updated_at timestamp with time zone not null default transaction_timestamp(),
    primary key (cohort_hash, profile, segment, configuration)
);

create table ${results}.evaluation_test (
    cohort_hash text not null,
    profile text not null,
    segment text not null,
    configuration text not null,
    test text not null,
    statistic double precision,
    df bigint,
    threshold double precision,
    p_value double precision,
    p_error double precision,
    n_valid bigint,
    median_r double precision,
    median_p double precision,
    version bigint not null default 1,
    updated_at timestamp with time zone not null default transaction_timestamp(),
    primary key (cohort_hash, profile, segment, configuration, test)
);

create view ${results}.current_prediction as
select
    study_key,
    segment,
    configuration,
    profile,
    berman_class,
    is_out_of_sample,
    value,
    value_low,
    value_high,
    corrected_value,
    corrected_low,
    corrected_high,
    n_models,
    predicted_at,
    version,
    updated_at
from ${results}.prediction
where is_current and value is not null;

comment on table ${results}.schema_version is
'One row is one version of these tables that was applied.';
comment on table ${results}.source is
'One row: the lake that these tables mirror, and its snapshot exported last.';
comment on table ${results}.prediction is
'Research use only, not a medical device: no value may guide the care of a patient. One row is one study, segment and configuration: the newest prediction of the coronary calcium score (Agatston). is_current is false, with left_reason, where the study may no longer be predicted.'; -- noqa: LT05
comment on table ${results}.evaluation is
'Research use only, not a medical device. One row is one segment and configuration of one cohort and profile: correlation of prediction and outcome over the outer runs.'; -- noqa: LT05
comment on table ${results}.evaluation_test is
'Research use only, not a medical device. One row is one combined test over the outer runs.';
comment on view ${results}.current_prediction is
'Research use only, not a medical device: no value may guide the care of a patient. One row is one prediction in force.'; -- noqa: LT05
