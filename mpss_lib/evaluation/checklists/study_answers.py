"""Answers about the study: its data, patients, outcome, and what is shared."""

from __future__ import annotations

from mpss_lib.config import CLINICAL
from mpss_lib.evaluation.checklists.answers import Answer, author, no, partly, yes
from mpss_lib.evaluation.checklists.facts import Facts


def aims(facts: Facts) -> Answer:
    """Development with internal evaluation is all that an evaluation does."""
    return author("Here models are developed and evaluated on the same patients, internally.")


def sources(facts: Facts) -> Answer:
    """Where images and clinical data come from."""
    told = "Images from one archive, clinical data and scores from one registry, linked by patient."
    if facts.found.n_invented:
        return no(
            "real patients: images say that they show phantoms",
            f"{told} {facts.found.n_invented} of {facts.n} studies are invented.",
        )
    return partly(told, "how representative they are: for the author")


def dates(facts: Facts) -> Answer:
    """Dates on the lake are moved."""
    return author("Dates on the lake are moved by patient; the true period is known in the vault.")


def centres(facts: Facts) -> Answer:
    """One home has one archive."""
    return author(f"One archive; scanners: {facts.values(facts.volumes, 'manufacturer', 'model')}.")


def centres_many(facts: Facts) -> Answer:
    """Admit that a home has one archive, whoever stands behind it."""
    return no("a second centre: the images are of one archive")


def eligibility(facts: Facts) -> Answer:
    """Tell who is in by the settings of the cohort."""
    return yes(_criteria(facts))


def _criteria(facts: Facts) -> str:
    cohort = facts.config.cohort
    reading = "a perfusion study that was read as normal"
    if cohort.reading == "any":
        reading = "a perfusion study, however it was read"
    quality = "accepted by a physician" if cohort.accept == "reviewed" else "passed by the checks"
    return (
        f"{reading}, {quality}; a calcium score within {cohort.cac_max_days} days; one study of a"
        f" patient. core.cohort_flow gives the reason for each study that is not in."
    )


def representative(facts: Facts) -> Answer:
    """Criteria are known, whom they represent is not."""
    if facts.found.n_invented:
        return no("real patients", _criteria(facts))
    return author(f"Criteria: {_criteria(facts)} Whom they represent is for the author.")


def preparation(facts: Facts) -> Answer:
    """Tell of checks before anything is measured."""
    quality = facts.config.quality
    return yes(
        f"Header and geometry gate, quality metrics against limits {quality.limits_version},"
        " expectations on every table; the same for everybody."
    )


def outcome(facts: Facts) -> Answer:
    """Define the score and its classes."""
    days = facts.config.cohort.cac_max_days
    return partly(
        f"Agatston score, total and by artery, of CT within {days} days of the scan; classes 0,"
        " up to 10, up to 100, up to 400, above.",
        "scanner and protocol of the CT, and who scored",
    )


def blinding(facts: Facts) -> Answer:
    """Tell who is blind: the platform; whoever scored the CT may not have been."""
    return partly(
        "Segmentation, features and their selection never see a score (selection reads through a"
        " connection without it).",
        "whether whoever scored the CT knew the perfusion study",
    )


def interval(facts: Facts) -> Answer:
    """Limit of the days between scan and score."""
    return yes(f"at most {facts.config.cohort.cac_max_days} days, by cohort.cac_max_days")


def predictors(facts: Facts) -> Answer:
    """Contract of the registry, catalogue of the features."""
    return yes(
        f"Clinical terms: {', '.join(CLINICAL)}, with the limits of the registry's contract."
        f" Features: {facts.n_features} of the catalogue, each with its IBSI code."
    )


def sample_size(facts: Facts) -> Answer:
    """Everybody who was eligible; what could be found, and what would be needed."""
    want = facts.needed
    told = (
        f"Everybody in the frozen cohort: {facts.n}; {facts.n_events} have a score of at least 100."
    )
    if want is None:
        return partly(told, "events: nobody, or everybody, reaches 100")
    told += f" {want.most} would be needed for {facts.n_columns} candidate columns (Riley et al.)."
    return partly(told, "a calculation before the data were there")


def missing(facts: Facts) -> Answer:
    """How missing values are dealt with."""
    left = len(facts.found.inputs.left_out)
    if facts.config.evaluation.missing == "error":
        return yes("A missing value stops the evaluation: none is missing.")
    return yes(f"Complete cases: {left} studies were left out, the others have every value.")


def flow(facts: Facts) -> Answer:
    """Numbers of the evaluation; the table of everybody is in the snapshot."""
    left = len(facts.found.inputs.left_out)
    return yes(
        f"core.cohort_flow counts every study of the archive and why it left; of the cohort"
        f" {left} left for missing values, {facts.n} were evaluated."
    )


def characteristics(facts: Facts) -> Answer:
    """Table of the clinical terms."""
    return yes("Table of the report, The cohort; core.table_one of the snapshot.")


def events(facts: Facts) -> Answer:
    """Patients and events of each analysis."""
    n_test = facts.found.results[0]["n_test"] if facts.found.results else 0
    return yes(
        f"{facts.n} patients, {facts.n_events} of them with a score of at least 100; test sets of"
        f" {n_test}; events by segment stand beside each area."
    )


def retrospective(facts: Facts) -> Answer:
    """Who planned what before is not known here."""
    return author("Studies and scores are read from archive and registry as they are.")


def shared_data(facts: Facts) -> Answer:
    """Tell what could be shared; whether it is is for the author."""
    return author("De-identified features, scores and predictions are Parquet files of the lake.")


def code(facts: Facts) -> Answer:
    """Which code made this."""
    address = facts.config.address("evaluation")
    return author(
        f"Settings stand in the report and in meta.settings; evaluation engine {address.engine},"
        f" settings {address.config}. Where code is shared is for the author."
    )


def full_model(facts: Facts) -> Answer:
    """Count the registered models, which can leave as files."""
    if not facts.n_models:
        return no("registered models: run register_model")
    return yes(
        f"{facts.n_models} models with every coefficient (evaluation.model, model_term);"
        " `mpss model export` writes one as a file."
    )


def poor_input(facts: Facts) -> Answer:
    """Tell what becomes of poor or missing input."""
    return yes("A study that fails a check or lacks a value gets no prediction, and is told why.")


def finding(facts: Facts) -> Answer:
    """Point to the first sentence of the report."""
    return author("The report begins with a sentence that may serve.")


def guidelines(facts: Facts) -> Answer:
    """Name these sheets."""
    return yes("TRIPOD+AI, CLEAR, METRICS and IBSI's items: this file, with what is missing.")


def pipeline(facts: Facts) -> Answer:
    """Point to the picture in the README."""
    return author("The README has a diagram of the stages.")
