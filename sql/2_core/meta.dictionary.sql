-- One row is one metric, flag or word of the tables: what it means in plain words.
-- grain: kind name
select
    kind,
    name,
    title,
    unit,
    meaning,
from (
    values
    (
        'metric',
        'valley_inferior',
        'Valley between inferior wall and what is below',
        '1',
        'counts below the inferior wall over the wall''s: high where liver or gut spills in'
    ),
    (
        'metric',
        'extracardiac_inferior',
        'Bright organ below the inferior wall',
        '1',
        'brightest counts below the inferior wall over the wall''s: hot liver or gut'
    ),
    (
        'metric',
        'extracardiac_max',
        'Brightest organ around the heart',
        '1',
        'brightest counts within 45 mm around the heart over the wall'
    ),
    (
        'metric',
        'apex_ratio',
        'Apex over the middle of the wall',
        '1',
        'counts of the apex over the middle of the wall: low where the apex is thin'
    ),
    (
        'metric',
        'apex_peak',
        'Apex over the wall beside it (peak)',
        '1',
        'brightest counts of the apex over those of the wall beside it'
    ),
    (
        'metric',
        'z_min',
        'Lowest segment against normal studies (z-score)',
        'standard deviations',
        'lowest of 16 segments against normal scans: a defect or attenuation'
    ),
    (
        'metric',
        'deficit',
        'Total perfusion deficit',
        '%',
        'total deficit of the segments against normal scans'
    ),
    (
        'metric',
        'anterior_inferior',
        'Anterior over inferior wall',
        '1',
        'anterior over inferior counts: breast or diaphragm'
    ),
    ('metric', 'noise_wall', 'Noise in the wall', '1', 'grain of the wall over its mean'),
    (
        'metric',
        'noise_background',
        'Noise around the heart',
        '1',
        'grain of the background over its level'
    ),
    (
        'metric',
        'misfit_mm',
        'Distance of the wall from a smooth surface',
        'mm',
        'distance of the wall that was found from the smooth ventricle'
    ),
    (
        'metric',
        'base_residual_mm',
        'Valve plane: distance of the wall''s end from it',
        'mm',
        'how far the base departs from a plane'
    ),
    (
        'metric',
        'prominence',
        'Brightness of the wall over its surroundings',
        '1',
        'how far the wall stands out of what is around it'
    ),
    (
        'metric',
        'rival_gap',
        'Lead of the heart over the next candidate',
        '1',
        'how much better it is than the next structure that looks like a ventricle'
    ),
    (
        'metric',
        'rim',
        'Counts piled up along the body''s edge (truncation)',
        '1',
        'counts along the body''s edge over the wall''s: high where the view cut the body'
    ),
    ('metric', 'myocardium_ml', 'Volume of the wall', 'mL', 'volume of the wall'),
    ('metric', 'cavity_ml', 'Volume of the cavity', 'mL', 'volume of the cavity'),
    (
        'metric',
        'length_mm',
        'Length of the left ventricle',
        'mm',
        'length of the ventricle from base to apex'
    ),
    (
        'metric',
        'edge_voxels',
        'Distance of the heart from the edge of the image',
        'voxels',
        'distance of the ventricle from the edge of the volume'
    ),
    (
        'metric',
        'correction_gain',
        'Gain by the attenuation correction, for each 100 mm of body (log)',
        'log per 100 mm',
        'what correction added, by the body''s width: over-corrected where high'
    ),
    (
        'metric',
        'correction_tilt',
        'Septum gained more than the lateral wall (log)',
        'log',
        'gain of the septum less the lateral wall''s: CT and SPECT misregistered'
    ),
    (
        'metric',
        'over_correction_index',
        'Inferior and septal over the other walls',
        '1',
        'inferior and septal over anterior and lateral counts'
    ),
    (
        'metric',
        'septal_lateral',
        'Septal against lateral wall (log)',
        'log',
        'difference of septum and lateral wall, either way'
    ),
    (
        'metric',
        'wall_fwhm_mm',
        'Width of the wall at half its height',
        'mm',
        'apparent thickness of the wall at half its counts'
    ),
    (
        'self_check',
        'score',
        'Likeness to a ventricle',
        '1',
        'how much the structure is like a ventricle'
    ),
    (
        'self_check',
        'higher_gap',
        'Lead over a structure nearer the head',
        '1',
        'how much better it is than a structure nearer the head'
    ),
    (
        'self_check',
        'lateral_gap',
        'Lead over a structure beside it',
        '1',
        'how much better it is than a structure beside it'
    ),
    (
        'self_check',
        'patch_prominence',
        'Weakest part of the wall over its surroundings',
        '1',
        'how far the weakest part of the wall stands out'
    ),
    ('self_check', 'aspect', 'Length over width', '1', 'length over width of the ventricle'),
    ('self_check', 'radius_mm', 'Radius of the ventricle', 'mm', 'radius of the ventricle'),
    (
        'self_check',
        'ridge_share',
        'Rays on which the wall is brightest',
        '1',
        'share of the rays on which the wall is brightest'
    ),
    ('self_check', 'base_seen', 'Base that was seen', '1', 'share of the base that was seen'),
    (
        'self_check',
        'axis_off_deg',
        'Angle of the long axis from the usual one',
        'degrees',
        'angle between the long axis and the usual one'
    ),
    (
        'self_check',
        'incoherence',
        'Doubt about the wall',
        '1',
        'how much speaks against the wall being one and whole: the picture is not what it'
        || ' would show, it moves when the picture is smoothed, its axis is unusual, it is wavy,'
        || ' it is wide one way'
    ),
    (
        'self_check',
        'right_likeness',
        'Looks like the right ventricle',
        '1',
        'how much it lies as the right ventricle does: another chamber on its left, a wide'
        || ' left wall, a closed base'
    ),
    (
        'self_check',
        'doubleness',
        'Doubleness of the wall',
        '1',
        'until engine 6: how much the wall is like two that lie over each other, as after motion'
    ),
    ('word', 'pass', 'Pass', '', 'verdict: every metric is within its limits'),
    (
        'word',
        'review',
        'Review',
        '',
        'verdict or flag: a physician looks before the study may enter the cohort'
    ),
    (
        'word',
        'hold',
        'Hold',
        '',
        'verdict or flag: beyond the outer limit; the study never enters the cohort'
    ),
    ('word', 'not_assessable', 'Not assessable', '', 'flag: the series at hand cannot tell'),
    ('word', 'waits', 'Waits', '', 'state: nobody has answered the review yet'),
    (
        'word',
        'rejected',
        'Rejected',
        '',
        'status: the study is sound and cannot be used, by a rule or a physician'
    ),
    (
        'word',
        'quarantined',
        'Quarantined',
        '',
        'status: a fault set the study aside at a stage; it is tried again'
    ),
    (
        'word',
        'held_back',
        'Held back',
        '',
        'state: a broken expectation keeps its rows out of the published views'
    ),
    (
        'word',
        'withdrawn',
        'Withdrawn',
        '',
        'state: the patient withdrew; a tombstone stands in its place'
    ),
    ('flag', 'age_capped', 'Age capped', '', 'registry: the age is above 90 and stored as 90'),
    (
        'flag',
        'age_derived',
        'Age derived',
        '',
        'registry: the age was computed from the birth date'
    ),
    (
        'flag',
        'bmi_derived',
        'BMI derived',
        '',
        'registry: the body mass index was computed from height and weight'
    ),
    (
        'flag',
        'too_few_gates',
        'Too few gates',
        '',
        'gates: fewer than four gates hold counts: nothing was measured'
    ),
    (
        'flag',
        'ventricle_not_found',
        'Ventricle not found',
        '',
        'gates: nothing in the sum of the gates looks like a ventricle'
    ),
    (
        'flag',
        'ventricle_doubtful',
        'Ventricle doubtful',
        '',
        'gates: the ventricle of the sum is doubtful: see doubts'
    ),
    (
        'flag',
        'gates_missing',
        'Gates missing',
        '',
        'gates: a gate holds no counts, or hardly any'
    ),
    (
        'flag',
        'few_gates',
        'Few gates',
        '',
        'gates: fewer than eight gates: end-systole is blurred'
    ),
    (
        'flag',
        'count_drop',
        'Count drop',
        '',
        'gates: a gate has clearly fewer counts than the others: beats of other length'
    ),
    (
        'flag',
        'uneven_curve',
        'Uneven curve',
        '',
        'gates: the volumes of the gates depart from a smooth curve: arrhythmia, noise'
    ),
    (
        'flag',
        'unusual_timing',
        'Unusual timing',
        '',
        'gates: end-diastole or end-systole lie where no regular beat has them'
    ),
    (
        'flag',
        'small_heart',
        'Small heart',
        '',
        'gates: below 20 ml at end-systole or 75 at end-diastole: little is resolved'
    ),
    (
        'flag',
        'poor_fit',
        'Poor fit',
        '',
        'gates: the model''s picture differs from the gates: noise, defects, another structure'
    ),
    (
        'flag',
        'motion_at_limit',
        'Motion at limit',
        '',
        'gates: wall or valve plane moved as far as they may'
    ),
    (
        'flag',
        'at_edge',
        'At edge',
        '',
        'gates: part of the ventricle lies outside the volume'
    ),
    (
        'flag',
        'unusual_wall',
        'Unusual wall',
        '',
        'gates: thickness of the wall or blur of the image out of the usual range'
    ),
    (
        'flag',
        'wall_uncertain',
        'Wall uncertain',
        '',
        'gates: the volume of the wall is known too badly for the ejection fraction'
    ),
    (
        'flag',
        'unusual_volume',
        'Unusual volume',
        '',
        'gates: end-diastolic volume out of the usual range'
    ),
    (
        'flag',
        'unusual_fraction',
        'Unusual fraction',
        '',
        'gates: ejection fraction out of the usual range'
    )
) as listed (kind, name, title, unit, meaning)
union all
select
    'reason' as kind,
    reason as name,
    replace(reason, '_', ' ') as title,
    '' as unit,
    description as meaning,
from core.cohort_reason
