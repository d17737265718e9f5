-- One row is one metric, flag or word of the tables: what it means in plain words.
-- grain: kind name
select
    kind,
    name,
    unit,
    meaning,
from (
    values
    (
        'metric',
        'valley_inferior',
        '1',
        'counts below the inferior wall over the wall''s: high where liver or gut spills in'
    ),
    (
        'metric',
        'extracardiac_inferior',
        '1',
        'brightest counts below the inferior wall over the wall''s: hot liver or gut'
    ),
    (
        'metric',
        'extracardiac_max',
        '1',
        'brightest counts within 45 mm around the heart over the wall'
    ),
    (
        'metric',
        'apex_ratio',
        '1',
        'counts of the apex over the middle of the wall: low where the apex is thin'
    ),
    ('metric', 'apex_peak', '1', 'brightest counts of the apex over those of the wall beside it'),
    (
        'metric',
        'z_min',
        'standard deviations',
        'lowest of 16 segments against normal scans: a defect or attenuation'
    ),
    ('metric', 'deficit', '1', 'total deficit of the segments against normal scans'),
    ('metric', 'anterior_inferior', '1', 'anterior over inferior counts: breast or diaphragm'),
    ('metric', 'noise_wall', '1', 'grain of the wall over its mean'),
    ('metric', 'noise_background', '1', 'grain of the background over its level'),
    ('metric', 'misfit_mm', 'mm', 'distance of the wall that was found from the smooth ventricle'),
    ('metric', 'base_residual_mm', 'mm', 'how far the base departs from a plane'),
    ('metric', 'prominence', '1', 'how far the wall stands out of what is around it'),
    (
        'metric',
        'rival_gap',
        '1',
        'how much better it is than the next structure that looks like a ventricle'
    ),
    (
        'metric',
        'rim',
        '1',
        'counts along the body''s edge over the wall''s: high where the view cut the body'
    ),
    ('metric', 'myocardium_ml', 'ml', 'volume of the wall'),
    ('metric', 'cavity_ml', 'ml', 'volume of the cavity'),
    ('metric', 'length_mm', 'mm', 'length of the ventricle from base to apex'),
    ('metric', 'edge_voxels', 'voxels', 'distance of the ventricle from the edge of the volume'),
    (
        'metric',
        'correction_gain',
        'log per 100 mm',
        'what correction added, by the body''s width: over-corrected where high'
    ),
    (
        'metric',
        'correction_tilt',
        'log',
        'gain of the septum less the lateral wall''s: CT and SPECT misregistered'
    ),
    (
        'metric',
        'over_correction_index',
        '1',
        'inferior and septal over anterior and lateral counts'
    ),
    ('metric', 'septal_lateral', 'log', 'difference of septum and lateral wall, either way'),
    ('metric', 'wall_fwhm_mm', 'mm', 'apparent thickness of the wall at half its counts'),
    ('self_check', 'score', '1', 'how much the structure is like a ventricle'),
    ('self_check', 'higher_gap', '1', 'how much better it is than a structure nearer the head'),
    ('self_check', 'lateral_gap', '1', 'how much better it is than a structure beside it'),
    ('self_check', 'patch_prominence', '1', 'how far the weakest part of the wall stands out'),
    ('self_check', 'aspect', '1', 'length over width of the ventricle'),
    ('self_check', 'radius_mm', 'mm', 'radius of the ventricle'),
    ('self_check', 'ridge_share', '1', 'share of the rays on which the wall is brightest'),
    ('self_check', 'base_seen', '1', 'share of the base that was seen'),
    ('self_check', 'axis_off_deg', 'degrees', 'angle between the long axis and the usual one'),
    ('self_check', 'incoherence', '1', 'how little the wall is like one wall: two after motion'),
    ('word', 'pass', '', 'verdict: every metric is within its limits'),
    (
        'word',
        'review',
        '',
        'verdict or flag: a physician looks before the study may enter the cohort'
    ),
    (
        'word',
        'hold',
        '',
        'verdict or flag: beyond the outer limit; the study never enters the cohort'
    ),
    ('word', 'not_assessable', '', 'flag: the series at hand cannot tell'),
    ('word', 'waits', '', 'state: nobody has answered the review yet'),
    (
        'word',
        'rejected',
        '',
        'status: the study is sound and cannot be used, by a rule or a physician'
    ),
    (
        'word',
        'quarantined',
        '',
        'status: a fault set the study aside at a stage; it is tried again'
    ),
    (
        'word',
        'held_back',
        '',
        'state: a broken expectation keeps its rows out of the published views'
    ),
    ('word', 'withdrawn', '', 'state: the patient withdrew; a tombstone stands in its place'),
    ('flag', 'age_capped', '', 'registry: the age is above 90 and stored as 90'),
    ('flag', 'age_derived', '', 'registry: the age was computed from the birth date'),
    ('flag', 'bmi_derived', '', 'registry: the body mass index was computed from height and weight')
) as listed (kind, name, unit, meaning)
union all
select
    'reason' as kind,
    reason as name,
    '' as unit,
    description as meaning,
from core.cohort_reason
