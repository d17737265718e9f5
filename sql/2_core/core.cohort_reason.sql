-- One row is one reason for which a study leaves the cohort, in the order of the rules.
-- grain: reason
select
    reason,
    "position",
    stage,
    description,
from (
    values
    ('withdrawn', 0, 'pull', 'withdrawn: nothing of it is kept but a tombstone'),
    ('gone_from_archive', 1, 'pull', 'the archive no longer has it (cohort.gone)'),
    ('pull_corrected', 2, 'pull', 'a correction of it waits for an answer (cohort.corrected)'),
    ('pull_quarantined', 3, 'pull', 'the archive did not deliver it whole and sound'),
    ('pull_missing', 4, 'pull', 'named by the archive, not fetched yet'),
    ('intake_quarantined', 5, 'intake', 'its objects are broken'),
    ('intake_rejected', 6, 'intake', 'no series passes the header and geometry gate'),
    ('intake_missing', 7, 'intake', 'not judged yet with the published settings'),
    ('segmentation_quarantined', 8, 'segmentation', 'the left ventricle was not found'),
    ('segmentation_rejected', 9, 'segmentation', 'no left ventricle, or no usable contours'),
    ('segmentation_missing', 10, 'segmentation', 'not segmented yet with the published settings'),
    ('quality_quarantined', 11, 'quality', 'the artefact metrics could not be measured'),
    ('quality_missing', 12, 'quality', 'no verdict yet with the published settings'),
    ('quality_hold', 13, 'quality', 'an artefact metric is beyond its hold limit'),
    ('review_rejected', 14, 'quality', 'a physician rejected it'),
    ('review_pending', 15, 'quality', 'it waits for a physician'),
    ('radiomics_quarantined', 16, 'radiomics', 'the features could not be computed'),
    ('radiomics_missing', 17, 'radiomics', 'no features yet with the published settings'),
    ('expectation_failed', 18, 'warehouse', 'its rows break an expectation'),
    ('clinical_missing', 19, 'pull', 'the registry has no record of it'),
    ('clinical_rejected', 20, 'pull', 'its registry record has an impossible value'),
    ('clinical_ambiguous', 21, 'pull', 'registry record and study do not name each other once'),
    ('reading_not_normal', 22, 'pull', 'the scan was not read as normal'),
    ('cac_missing', 23, 'pull', 'no coronary calcium score, or no date of it'),
    ('cac_impossible', 24, 'pull', 'a score is negative or the arteries exceed the total'),
    ('cac_too_far', 25, 'pull', 'the calcium CT is too many days apart'),
    ('patient_included', 26, 'warehouse', 'an earlier study of the patient is in the cohort'),
    ('included', 27, 'warehouse', 'in the cohort')
) as listed (reason, "position", stage, description)
