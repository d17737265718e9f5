-- The tables that a receiver of OMOP's data has, as its definitions ask: CDM 5.4 and the imaging
-- extension of Park et al. 2024 (fields, what is required, types, keys), written anew for the tests.
create table concept (
    concept_id integer not null primary key,
    concept_name varchar not null check (length(concept_name) <= 255),
    domain_id varchar not null check (length(domain_id) <= 20),
    vocabulary_id varchar not null check (length(vocabulary_id) <= 20),
    concept_class_id varchar not null check (length(concept_class_id) <= 20),
    standard_concept varchar check (length(standard_concept) <= 1),
    concept_code varchar not null check (length(concept_code) <= 50),
    valid_start_date date not null,
    valid_end_date date not null,
    invalid_reason varchar check (length(invalid_reason) <= 1)
);

create table person (person_id integer not null primary key);

create table procedure_occurrence (
    procedure_occurrence_id integer not null primary key,
    person_id integer not null references person (person_id),
    procedure_concept_id integer not null references concept (concept_id),
    procedure_date date not null,
    procedure_datetime timestamp,
    procedure_end_date date,
    procedure_end_datetime timestamp,
    procedure_type_concept_id integer not null references concept (concept_id),
    modifier_concept_id integer references concept (concept_id),
    quantity integer,
    provider_id integer,
    visit_occurrence_id integer,
    visit_detail_id integer,
    procedure_source_value varchar check (length(procedure_source_value) <= 50),
    procedure_source_concept_id integer references concept (concept_id),
    modifier_source_value varchar check (length(modifier_source_value) <= 50)
);

create table measurement (
    measurement_id integer not null primary key,
    person_id integer not null references person (person_id),
    measurement_concept_id integer not null references concept (concept_id),
    measurement_date date not null,
    measurement_datetime timestamp,
    measurement_time varchar check (length(measurement_time) <= 10),
    measurement_type_concept_id integer not null references concept (concept_id),
    operator_concept_id integer references concept (concept_id),
    value_as_number double,
    value_as_concept_id integer references concept (concept_id),
    unit_concept_id integer references concept (concept_id),
    range_low double,
    range_high double,
    provider_id integer,
    visit_occurrence_id integer,
    visit_detail_id integer,
    measurement_source_value varchar check (length(measurement_source_value) <= 50),
    measurement_source_concept_id integer references concept (concept_id),
    unit_source_value varchar check (length(unit_source_value) <= 50),
    unit_source_concept_id integer references concept (concept_id),
    value_source_value varchar check (length(value_source_value) <= 50),
    measurement_event_id integer,
    meas_event_field_concept_id integer references concept (concept_id)
);

create table image_occurrence (
    image_occurrence_id integer not null primary key,
    person_id integer not null references person (person_id),
    procedure_occurrence_id integer not null
    references procedure_occurrence (procedure_occurrence_id),
    visit_occurrence_id integer,
    anatomic_site_concept_id integer references concept (concept_id),
    wadors_uri varchar,
    local_path varchar,
    image_occurrence_date date not null,
    image_study_uid varchar not null check (length(image_study_uid) <= 250),
    image_series_uid varchar not null check (length(image_series_uid) <= 250),
    modality_concept_id integer not null references concept (concept_id)
);

create table image_feature (
    image_feature_id integer not null primary key,
    person_id integer not null references person (person_id),
    image_occurrence_id integer not null references image_occurrence (image_occurrence_id),
    image_feature_event_field_concept_id integer references concept (concept_id),
    image_feature_event_id integer,
    image_feature_concept_id integer not null references concept (concept_id),
    image_feature_type_concept_id integer not null references concept (concept_id),
    image_finding_concept_id integer references concept (concept_id),
    image_finding_id integer,
    anatomic_site_concept_id integer references concept (concept_id),
    alg_system varchar,
    alg_datetime timestamp
);
