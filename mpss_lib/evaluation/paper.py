"""What the paper printed (Ashrafinia et al. 2021), and where it contradicts itself."""

from __future__ import annotations

from mpss_lib.sections import SEGMENTS

FISHER = {
    "radiomics": dict(
        zip(SEGMENTS, (111.93, 115.02, 88.02, 95.87, 139.25, 53.8, 53.28), strict=True)
    ),
    "clinical": dict(
        zip(SEGMENTS, (294.43, 253.13, 153.14, 84.12, 253.13, 153.14, 84.12), strict=True)
    ),
    "combined": dict(
        zip(SEGMENTS, (341.39, 348.97, 194.73, 174.53, 326.97, 189.2, 141.6), strict=True)
    ),
}
"""Fisher's X, Table 3."""

FISHER_LIMIT = 135.81
"""Chi-squared at .01 with 100 degrees of freedom, as printed under Table 3."""

CONTRADICTIONS = (
    (
        "Division of the patients that are not tested: 70/30 in the abstract, 75/25 in the text.",
        "75/25: dev_fraction .25",
    ),
    (
        "The winner is the run with the highest log-likelihood in the abstract, with the highest"
        " AIC in the text (2.4.2). A higher AIC is worse, and either compares different dev"
        " samples.",
        "as_published takes the text's, max_aic; the abstract's, max_loglik, is done beside it on"
        " the same fits; corrected: dev_r2",
    ),
    (
        "No upper scope of the stepwise models is named; that of MATLAB's stepwiselm is"
        " 'interactions', and ten clinical terms are called ten features.",
        "linear: no product of two terms is a candidate",
    ),
    (
        "Terms enter by the p-value of an F test in one sentence, by AIC in another, with limits"
        " .05 and .2 that have another meaning in each.",
        "criterion aic: a term may enter that worsens AIC by .05 at most; sse is the F test",
    ),
    (
        "The model found on the train rows is selected again on the dev rows, which is then no"
        " validation; with 91 dev rows AIC lets in many terms by chance.",
        "as written (final_coef dev); corrected refits the train terms on train and dev",
    ),
    (
        "A ratio variance / mean below 1e-5 is called low dynamic range; the features that it"
        " removes have negative means.",
        "selection.dynamic_range signed; corrected: abs_mean",
    ),
    (
        "Of each pair with a rank correlation of 1 one leaves; the next step takes |rho|. Whether"
        " ranks that are exactly reversed are redundant in the first of them is not told.",
        "S4 takes |rho| = 1",
    ),
    (
        "Three pairs of identical ranks are named, all between size and distance zones. Other pairs"
        " of the same set are identical by their definitions, so that three cannot be all.",
        "every pair is found and leaves; the ledger names them",
    ),
    (
        "Averaged and merged matrices are redundant by two conditions: their own rank correlations,"
        " and that those with all other families differ by 'values very close to zero'. How close"
        " is not told.",
        "S3 measures and tells the second condition and does not decide on it",
    ),
    (
        "Of pairs with identical ranks the one with the lower range leaves; the ranges of the"
        " three pairs are exactly equal.",
        "the first in the order of the catalogue stays",
    ),
    (
        "The text keeps averaged GLCM and GLRLM, the names in Table 2 end in _C.",
        "averaged, unless merged has the wider range more often",
    ),
    (
        "Three grey levels are called the smallest, four shares are given for them.",
        "a rule that can be computed, with its table and its runner-up",
    ),
    (
        "Seven segments in the tables, eight in one sentence.",
        "seven",
    ),
    (
        "428 patients are analysed; the sexes sum to 461, the kinds of stress to 459 or 460.",
        "whoever is in the frozen cohort",
    ),
    (
        "Five classes of the score, six counts (178, 32, 77, 80, 38, 23).",
        "five: the last two counts are both above 400",
    ),
    (
        "33 % of the patients with calcium are said to reach 100; it is 33 % of all patients.",
        "of all",
    ),
    (
        "Radiomics are said to fail in every segment; Table 3 has 139.25 for LAD17, above 135.81.",
        "the table",
    ),
    (
        "The medians of the 50 p-values and of |r| in the text do not go with the X of Table 3: a"
        " median of .001 forces X above 345.",
        "neither is aimed at",
    ),
    (
        "X of 53.8 and 53.28 are far too small for 100 degrees of freedom, as if empty runs had"
        " been left out while the degrees of freedom stayed.",
        "invalid_run p1: a run without a model counts as p = 1",
    ),
    (
        "The clinical X agree to the last digit for both ways of drawing the regions.",
        "the splits depend on the seed alone, not on segment or configuration",
    ),
    (
        "One patient is reported from 332 test sets of 20 x 50; one segment gives some 8 of 50.",
        "predictions name their number of models",
    ),
)
"""What the paper says and why that is not enough; what is taken."""

STEPS = {
    "S0_aggregation": "not 3D averaged or merged",
    "S0_family": "statistics, local intensity, morphology",
    "S1_undefined": "not defined for every patient",
    "S2_identical": "the same value in all patients",
    "S3_variety": "the other one of averaged and merged",
    "S4_same_ranks": "same ranks as another feature",
    "S5_dynamic_range": "low dynamic range",
    "S6_correlated": "|ρ| at the limit with another one kept",
}
"""What each step of the selection removes."""
