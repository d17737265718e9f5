-- One row is one thing that OMOP gets a number for: a feature at a grey level, a site, a modality.
-- grain: kind name bins
with levels as (
    select distinct bins,
    from raw.feature_binned
    union
    select 0 as bins,
),

features as (
    select
        2000000000 + 100000 * dictionary."position" + levels.bins as concept_id,
        'measure' as kind,
        dictionary.feature as "name",
        levels.bins,
        case when dictionary.ibsi_code = '' then '99MPSS' else 'IBSI' end as vocabulary_id,
        concat_ws(
            '.',
            coalesce(nullif(dictionary.ibsi_code, ''), dictionary.feature),
            nullif(dictionary.aggregation_code, ''),
            -- IBSI has one code for the feature at any share of the volume or the intensity.
            case
                when
                    count(*) over (
                        partition by
                            dictionary.ibsi_code, dictionary.aggregation_code, levels.bins
                    ) > 1
                    then dictionary.feature
            end
        ) || case when levels.bins > 0 then '@' || levels.bins else '' end as concept_code,
        left(
            concat_ws(
                ', ',
                dictionary.human_name,
                nullif(dictionary.aggregation, ''),
                case when levels.bins > 0 then levels.bins || ' grey levels' end
            ), 255
        ) as concept_name,
        'Measurement' as domain_id,
        'Radiomic feature' as concept_class_id,
        dictionary.unit,
    from core.feature_dictionary as dictionary
    inner join levels
        on dictionary.depends_on_bins = (levels.bins > 0)
),

territories as (
    select
        2000000050 + segment."position" as concept_id,
        'site' as kind,
        segment.segment as "name",
        0 as bins,
        '99MPSS' as vocabulary_id,
        segment.segment as concept_code,
        'Myocardium, ' || segment.description as concept_name,
        'Spec Anatomic Site' as domain_id,
        'Body Structure' as concept_class_id,
        '' as unit,
    from core.segment as segment
    where segment.segment != 'MYO'
),

-- Codes: LOINC, DICOM CID 3468, 3469 (volumes), 3717 (segments), 29, 32, 33 (modalities), 3757.
coded as (
    select *,
    from (
        values
        (1, 'measure', 'lvef', 'LN', '10230-1', 'Left ventricular ejection fraction', '%'),
        (2, 'measure', 'edv_ml', 'LN', '8821-1', 'Left ventricular end-diastolic volume', 'mL'),
        (3, 'measure', 'esv_ml', 'LN', '8823-7', 'Left ventricular end-systolic volume', 'mL'),
        (4, 'measure', 'stroke_ml', 'SCT', '90096001', 'Stroke volume', 'mL'),
        (5, 'measure', 'phase_sd_deg', '99MPSS', 'PHASE-SD', 'Phase of contraction, SD', 'deg'),
        (
            6, 'measure', 'phase_bandwidth_deg', '99MPSS', 'PHASE-BANDWIDTH',
            'Phase of contraction, arc of 95 % of the wall', 'deg'
        ),
        (
            7, 'measure', 'thickening', '99MPSS', 'THICKENING',
            'Systolic rise of counts of a wall segment', '%'
        ),
        (20, 'site', 'HEART', 'SCT', '80891009', 'Heart', ''),
        (21, 'site', 'MYO', 'SCT', '49848007', 'Myocardium of left ventricle', ''),
        (22, 'site', 'LV', 'SCT', '87878005', 'Left ventricle', ''),
        (31, 'site', 'S01', 'SCT', '264850008', 'Basal anterior segment', ''),
        (32, 'site', 'S02', 'SCT', '396482007', 'Basal anteroseptal segment', ''),
        (33, 'site', 'S03', 'SCT', '396646008', 'Basal inferoseptal segment', ''),
        (34, 'site', 'S04', 'SCT', '264846001', 'Basal inferior segment', ''),
        (35, 'site', 'S05', 'SCT', '396652009', 'Basal inferolateral segment', ''),
        (36, 'site', 'S06', 'SCT', '396654005', 'Basal anterolateral segment', ''),
        (37, 'site', 'S07', 'SCT', '264848000', 'Mid anterior segment', ''),
        (38, 'site', 'S08', 'SCT', '396647004', 'Mid anteroseptal segment', ''),
        (39, 'site', 'S09', 'SCT', '396649001', 'Mid inferoseptal segment', ''),
        (40, 'site', 'S10', 'SCT', '264847005', 'Mid inferior segment', ''),
        (41, 'site', 'S11', 'SCT', '396655006', 'Mid inferolateral segment', ''),
        (42, 'site', 'S12', 'SCT', '396656007', 'Mid anterolateral segment', ''),
        (43, 'site', 'S13', 'SCT', '264844003', 'Apical anterior segment', ''),
        (44, 'site', 'S14', 'SCT', '264845002', 'Apical septal segment', ''),
        (45, 'site', 'S15', 'SCT', '264849008', 'Apical inferior segment', ''),
        (46, 'site', 'S16', 'SCT', '264853005', 'Apical lateral segment', ''),
        (47, 'site', 'S17', 'SCT', '128564006', 'Apex of left ventricle', ''),
        (70, 'modality', 'NM', 'DCM', 'NM', 'Nuclear Medicine', ''),
        (71, 'modality', 'CT', 'DCM', 'CT', 'Computed Tomography', ''),
        (72, 'modality', 'PT', 'DCM', 'PT', 'Positron emission tomography', ''),
        (73, 'modality', 'SR', 'DCM', 'SR', 'Structured Report Document', ''),
        (74, 'modality', 'SEG', 'DCM', 'SEG', 'Segmentation', ''),
        (75, 'modality', 'RTSTRUCT', 'DCM', 'RTSTRUCT', 'RT Structure Set', ''),
        (
            80, 'procedure', 'MPS', 'SCT', '252432008',
            'Radionuclide myocardial perfusion study', ''
        )
    ) as list ("number", kind, "name", vocabulary_id, concept_code, concept_name, unit)
)

select *,
from features
union all
select *,
from territories
union all
select
    2000000000 + "number" as concept_id,
    kind,
    "name",
    0 as bins,
    vocabulary_id,
    concept_code,
    concept_name,
    case kind
        when 'measure' then 'Measurement'
        when 'site' then 'Spec Anatomic Site'
        else 'Procedure'
    end as domain_id,
    case kind
        when 'measure' then 'Image measurement'
        when 'site' then 'Body Structure'
        when 'modality' then 'Modality'
        else 'Procedure'
    end as concept_class_id,
    unit,
from coded
