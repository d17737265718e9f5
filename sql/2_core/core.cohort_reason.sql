-- One row is one reason for which a study leaves the cohort, in the order of the rules.
-- grain: reason
select
    reason,
    "position",
    stage,
    description,
from (
    values
    ('pull_quarantined', 1, 'pull', 'the archive did not deliver it whole and sound'),
    ('pull_missing', 2, 'pull', 'named by the archive, not fetched yet'),
    ('intake_quarantined', 3, 'intake', 'its objects are broken'),
    ('intake_rejected', 4, 'intake', 'no series passes the header and geometry gate'),
    ('intake_missing', 5, 'intake', 'not judged yet with the published settings'),
    ('segmentation_quarantined', 6, 'segmentation', 'the left ventricle was not found'),
    ('segmentation_rejected', 7, 'segmentation', 'no left ventricle, or no usable contours'),
    ('segmentation_missing', 8, 'segmentation', 'not segmented yet with the published settings'),
    ('quality_quarantined', 9, 'quality', 'the artefact metrics could not be measured'),
    ('quality_missing', 10, 'quality', 'no verdict yet with the published settings'),
    ('quality_hold', 11, 'quality', 'an artefact metric is beyond its hold limit'),
    ('review_rejected', 12, 'quality', 'a physician rejected it'),
    ('review_pending', 13, 'quality', 'it waits for a physician'),
    ('radiomics_quarantined', 14, 'radiomics', 'the features could not be computed'),
    ('radiomics_missing', 15, 'radiomics', 'no features yet with the published settings'),
    ('clinical_missing', 16, 'pull', 'the registry has no record of it'),
    ('clinical_rejected', 17, 'pull', 'its registry record has an impossible value'),
    ('clinical_ambiguous', 18, 'pull', 'registry record and study do not name each other once'),
    ('reading_not_normal', 19, 'pull', 'the scan was not read as normal'),
    ('cac_missing', 20, 'pull', 'no coronary calcium score, or no date of it'),
    ('cac_impossible', 21, 'pull', 'a score is negative or the arteries exceed the total'),
    ('cac_too_far', 22, 'pull', 'the calcium CT is too many days apart'),
    ('patient_included', 23, 'warehouse', 'an earlier study of the patient is in the cohort'),
    ('included', 24, 'warehouse', 'in the cohort')
) as listed (reason, "position", stage, description)
