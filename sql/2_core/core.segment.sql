-- One row is one analysed heart segment and the outcome that belongs to it.
-- grain: segment
select
    segment,
    "position",
    artery,
    outcome,
    description,
from (
    values
    ('MYO', 1, '', 'cac_total', 'whole left ventricular wall'),
    ('LAD3', 2, 'LAD', 'cac_lad', 'left anterior descending: one of three regions with gaps'),
    ('LCX3', 3, 'LCX', 'cac_lcx', 'left circumflex: one of three regions with gaps'),
    ('RCA3', 4, 'RCA', 'cac_rca', 'right coronary artery: one of three regions with gaps'),
    ('LAD17', 5, 'LAD', 'cac_lad', 'left anterior descending: its of the 17 polar segments'),
    ('LCX17', 6, 'LCX', 'cac_lcx', 'left circumflex: its of the 17 polar segments'),
    ('RCA17', 7, 'RCA', 'cac_rca', 'right coronary artery: its of the 17 polar segments')
) as listed (segment, "position", artery, outcome, description)
