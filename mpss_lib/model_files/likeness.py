"""Whether the features of this home are those that a model was made with: each difference named."""

from __future__ import annotations

import duckdb

from mpss_lib.config import Config
from mpss_lib.model_files.content import ModelFile, ModelFileError
from mpss_lib.model_files.export import SCORE_UNIT, SHAPING_ENGINES, UNITS, makers


def refuse_other_features(
    model: ModelFile, snapshot: duckdb.DuckDBPyConnection, config: Config
) -> None:
    """Compare engines, settings, grey level and units; a clinical model has no features.

    Raises
    ------
    ModelFileError
        Names everything that differs, there and here.
    """
    found = _units(model, snapshot)
    if any(term.source == "feature" for term in model.terms):
        found = [
            *_made_otherwise(model, config),
            *_shown_otherwise(model, snapshot, config),
            *found,
        ]
    if found:
        raise ModelFileError(
            "the model was made with other features than this home has: " + "; ".join(found),
            way_out="bring this home's settings and version to those of the file and recompute"
            " (`mpss recompute --activate`), or take a model that was made with these",
        )


def _made_otherwise(model: ModelFile, config: Config) -> list[str]:
    here = makers(config)
    pairs = [
        *((f"{stage} engine", model.makers.engines.get(stage), here.engines[stage])
          for stage in SHAPING_ENGINES),
        *((name, model.makers.settings.get(name), value) for name, value in here.settings.items()),
    ]  # fmt: skip
    found = [
        f"{name} {there} there, {value} here" for name, there, value in pairs if there != value
    ]
    if model.bins not in config.radiomics.bins:
        found.append(f"grey level {model.bins} there, {list(config.radiomics.bins)} here")
    return found


def _shown_otherwise(
    model: ModelFile, snapshot: duckdb.DuckDBPyConnection, config: Config
) -> list[str]:
    """Say whether the snapshot shows features of another version than the settings make."""
    address = config.address("radiomics")
    rows = snapshot.execute(
        "select engine, config from meta.pointer where stage = 'radiomics'"
    ).fetchall()
    if rows and rows[0] != (address.engine, address.config):
        return [
            f"radiomics engine {rows[0][0]}, config {rows[0][1]} in the snapshot, engine"
            f" {address.engine}, config {address.config} by the settings"
        ]
    return []


def _units(model: ModelFile, snapshot: duckdb.DuckDBPyConnection) -> list[str]:
    known = {
        str(name): (str(unit or ""), str(code or ""))
        for name, unit, code in snapshot.execute(
            "select feature, unit, ibsi_code from core.feature_dictionary"
        ).fetchall()
    }
    found = []
    for term in model.terms:
        here = known.get(term.name) if term.source == "feature" else (UNITS.get(term.name, ""), "")
        if here is None:
            found.append(f"feature {term.name} is missing here")
        elif here != (term.unit, term.ibsi_code):
            found.append(
                f"{term.name} in {term.unit or 'no unit'} ({term.ibsi_code or 'no code'}) there,"
                f" in {here[0] or 'no unit'} ({here[1] or 'no code'}) here"
            )
    if model.outcome.unit != SCORE_UNIT:
        found.append(f"scores in {model.outcome.unit} there, in {SCORE_UNIT} here")
    return found
