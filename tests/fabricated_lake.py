"""A fabricated lake: one study for each way out of the cohort, ten features or all 487."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import numpy as np

from mpss_lib.batch import write_record
from mpss_lib.config import Config
from mpss_lib.records import Unit
from mpss_lib.schemas import DATE, FLAG, REAL, TABLES, TEXT, TEXTS, WHOLE
from mpss_lib.sections import BINS, SEGMENTS
from mpss_lib.tables import Lake, Written, digest_of

BLANK = {TEXT: "", FLAG: False, REAL: 0.0, WHOLE: 0, DATE: dt.date(2019, 3, 1), TEXTS: []}
ONCE = ("morph_volume", "stat_mean", *(f"once_{i:03d}" for i in range(2, 56)))
BINNED = ("binned_000", "ih_entropy", *(f"binned_{i:03d}" for i in range(2, 431)))


def row(table: str, **values: object) -> dict:
    """A row with every column of the table; those not given are blank."""
    spec = TABLES[table]
    unknown = set(values) - set(spec.columns)
    assert not unknown, unknown
    return {name: values.get(name, BLANK.get(kind, [])) for name, kind in spec.columns.items()}


@dataclass
class Builder:
    """Writes lake tables as the stages would, with manifest records."""

    lake: Lake
    config: Config
    once: tuple[str, ...] = ONCE[:4]
    binned: tuple[str, ...] = BINNED[:6]
    done: dict[str, list] = field(default_factory=dict)

    def write(self, table: str, key: str, rows: list[dict], *, salt: str = "") -> Written:
        stage = TABLES[table].stage
        digest = digest_of([table, key, salt])
        return self.lake.write(table, self.config.address(stage), key, digest, rows)

    def record(self, stage: str, key: str, status: str, files=(), reasons=()) -> None:
        unit = Unit(key, status, tuple(files), tuple(reasons))
        self.done.setdefault(stage, []).append(unit)

    def flush(self, run_name: str = "night") -> None:
        """One record of each stage; a unit that came twice has its second turn in another."""
        for stage, units in self.done.items():
            turns: list[dict[str, Unit]] = []
            for unit in units:
                turn = next((t for t in turns if unit.key not in t), None)
                if turn is None:
                    turns.append(turn := {})
                turn[unit.key] = unit
            for turn in turns:
                write_record(stage, list(turn.values()), self.lake, self.config, run_name)
        self.done = {}

    # ---------------------------------------------------------------- stages

    def pull(
        self,
        key: str,
        patient: str,
        *,
        day: int = 0,
        accession: str | None = None,
        is_fetched: bool = True,
        n_series: int = 3,
    ) -> None:
        date = dt.date(2019, 3, 1) + dt.timedelta(days=day)
        accession = f"acc{key}" if accession is None else accession
        study = row(
            "study",
            study_key=key,
            patient_key=patient,
            accession_key=accession,
            study_date_shifted=date,
            acquired_period="2020-Q1",
            modalities=["NM"],
            n_series_announced=n_series,
            n_objects_announced=3,
        )
        salt = "" if n_series == 3 else str(n_series)
        self.record("pull", key, "done", [self.write("study", key, [study], salt=salt)])
        if not is_fetched:
            return
        kinds = [("ac", "o1", True, ""), ("nac", "o2", True, ""), ("ct", "", False, "modality")]
        instances = [
            row(
                "instance",
                study_key=key,
                series_key=f"{key}{series}",
                object_key=f"{key}{sop}" if sop else "",
                modality="NM" if stored else "CT",
                n_objects=1,
                is_stored=stored,
                reason=reason,
                n_bytes=1000,
            )
            for series, sop, stored, reason in kinds
        ]
        self.record("pull", key, "done", [self.write("instance", key, instances)])

    def intake(self, key: str, *, reasons: tuple[str, ...] = ()) -> None:
        volumes = [
            row(
                "volume",
                study_key=key,
                series_key=f"{key}{series}",
                object_key=f"{key}{sop}",
                is_chosen=not why,
                reasons=list(why),
                manufacturer="SYNTH",
                model="M1",
            )
            for series, sop, why in (("ac", "o1", reasons), ("nac", "o2", ("not_corrected",)))
        ]
        status = "rejected" if reasons else "done"
        self.record("intake", key, status, [self.write("volume", key, volumes)], reasons)

    def segmentation(self, key: str) -> None:
        found = row("segmentation", study_key=key, object_key=f"{key}o1", is_sure=True)
        self.record("segmentation", key, "done", [self.write("segmentation", key, [found])])

    def quality(self, key: str, verdict: str = "pass", flags: tuple[str, ...] = ()) -> None:
        metric = row("quality_metric", study_key=key, metric="motion", value=1.0, flag="ok")
        told = row("quality_verdict", study_key=key, verdict=verdict, flags=list(flags))
        files = [self.write("quality_metric", key, [metric])]
        files.append(self.write("quality_verdict", key, [told]))
        self.record("quality", key, "done", files)

    def ejection(self, key: str, lvef: float, *flags: str, **more: object) -> None:
        told = {"state": "measured", "lvef": lvef, "edv_ml": 100.0, "esv_ml": 100.0 - lvef} | more
        found = row("ejection", study_key=key, is_sure=not flags, flags=list(flags), **told)
        segment = row("ejection_segment", study_key=key, segment="S01", thickening=30.0)
        files = [self.write("ejection", key, [found])]
        files.append(self.write("ejection_segment", key, [segment]))
        self.record("gated", key, "done", files)

    def calcium(self, key: str, kind: str, *, reason: str = "", **scores: float) -> None:
        """One report or CT beside a study."""
        one = {"study_key": key, "source_key": f"{key}.{kind}", "kind": kind}
        found = row("companion", **one, is_stored=True, days=2)
        told = {"state": "read" if kind == "report" else "scored", "reason": reason, "days": 2}
        source = row("calcium_source", **one, **told, is_counted=not reason, **scores)
        lesion = {"lesion": 1, "place": "LAD", "probability": 0.9, "reason": "near", "score": 4.0}
        lesion |= {"study_key": key, "source_key": one["source_key"]}
        salt = kind
        fetched = [self.write("companion", key, [found], salt=salt)]
        self.record("companions", key, "done", fetched)
        files = [self.write("calcium_source", key, [source], salt=salt)]
        files.append(
            self.write("calcium_lesion", key, [row("calcium_lesion", **lesion)], salt=salt)
        )
        self.record("calcium", key, "done", files)

    def review(self, key: str, decision: str, at: str = "2026-01-01T10:00:00Z") -> None:
        told = row("review", study_key=key, decision=decision, reviewer="dr", decided_at=at)
        self.record("quality", key, "done", [self.write("review", key, [told], salt=at)])

    def catalogue(self) -> None:
        rows = [
            row(
                "feature_catalogue",
                position=i,
                sera_name=name,
                ibsi_code=f"C{i:03d}",
                family="once" if name in self.once else "binned",
                depends_on_bins=name not in self.once,
            )
            for i, name in enumerate([*self.once, *self.binned], start=1)
        ]
        self.catalogue_file = self.write("feature_catalogue", "engine", rows)

    def radiomics(self, key: str, seed: int, *, salt: str = "") -> None:
        rng = np.random.default_rng(seed)
        once, binned = [], []
        for segment in SEGMENTS:
            base = row("feature_once", study_key=key, segment=segment, n_voxels=100)
            once.append(
                base | dict(zip(self.once, rng.normal(size=len(self.once)).tolist(), strict=True))
            )
            for bins in BINS:
                base = row("feature_binned", study_key=key, segment=segment, bins=bins)
                base["undefined_features"] = [self.binned[0]]
                values = rng.normal(size=len(self.binned))
                values[0] = np.nan
                binned.append(base | dict(zip(self.binned, values.tolist(), strict=True)))
        files = [
            self.write("feature_once", key, as_arrow("feature_once", once), salt=salt),
            self.write("feature_binned", key, as_arrow("feature_binned", binned), salt=salt),
            self.catalogue_file,
        ]
        self.record("radiomics", key, "done", files)

    def promise(self, key: str, patient: str, *, seed: int) -> None:
        """A study of which table ``study`` promises the value of two features in every row."""
        value = seed + 1
        self.through(key, patient, "quality", n_series=value)
        files = []
        for table, names, levels in (
            ("feature_once", self.once, (0,)),
            ("feature_binned", self.binned, BINS),
        ):
            rng = np.random.default_rng([seed, len(names)])
            rows = [
                row(table, study_key=key, segment=segment)
                | ({"bins": bins} if bins else {})
                | dict(zip(names, rng.normal(size=len(names)).tolist(), strict=True))
                | {names[1]: float(value)}
                for segment in SEGMENTS
                for bins in levels
            ]
            files.append(self.write(table, key, as_arrow(table, rows), salt=str(seed)))
        self.record("radiomics", key, "done", [*files, self.catalogue_file])

    def registry(self, rows: list[dict]) -> None:
        self.record("pull", "registry", "done", [self.write("clinical", "registry", rows)])

    def set_aside(self, stage: str, key: str) -> None:
        self.lake.quarantine(stage, key, error="X", problem="broken", way_out="mend it")
        self.record(stage, key, "quarantined", (), ["X"])

    def through(self, key: str, patient: str, upto: str = "radiomics", *, seed=0, **pull) -> None:
        """A clean study as far as a stage."""
        self.pull(key, patient, **pull)
        for stage in ("intake", "segmentation", "quality", "radiomics"):
            if stage == "radiomics":
                self.radiomics(key, seed)
            else:
                getattr(self, stage)(key)
            if stage == upto:
                return

    def predict(self, key: str, value: float, cohort: str = "c0ffee") -> None:
        rows = [
            row(
                "prediction",
                cohort_hash=cohort,
                study_key=key,
                segment="MYO",
                configuration="both",
                profile="as_published",
                value=value,
                value_low=value - 1,
                value_high=value + 1,
                n_models=50,
                berman_class=1,
                is_out_of_sample=True,
            )
        ]
        self.record(
            "publication", key, "done", [self.write("prediction", key, rows, salt=str(value))]
        )

    def evaluate(self, cohort: str) -> None:
        """A selection and an evaluation of a frozen cohort, three rows each."""
        steps = [(BINNED[2], "S1_undefined"), (BINNED[3], "S6_correlated")]
        steps += [(name, "selected") for name in ("morph_volume", "ih_entropy")]
        ledger = [
            row(
                "selection_step",
                cohort_hash=cohort,
                profile="as_published",
                step=step,
                feature=name,
            )
            for name, step in steps
        ]
        chosen = [
            row(
                "selected_feature",
                cohort_hash=cohort,
                profile="as_published",
                feature=name,
                bins=64,
                position=i,
            )
            for i, name in enumerate(("morph_volume", "ih_entropy"), start=1)
        ]
        counts = [
            row(
                "selection_count",
                cohort_hash=cohort,
                profile="as_published",
                step=step,
                position=i,
                n_before=before,
                n_removed=1,
                n_after=before - 1,
                n_paper=paper,
            )
            for i, (step, before, paper) in enumerate(
                [("S1_undefined", 4, 166), ("S6_correlated", 3, 56)], start=1
            )
        ]
        measured = [
            row(
                "feature_stability",
                cohort_hash=cohort,
                family=family,
                segment="MYO",
                bins=64,
                feature=name,
                **dict.fromkeys(("icc1", "icc3"), icc),
                **dict.fromkeys(("icc1_low", "icc3_low"), icc - 0.1),
                **dict.fromkeys(("icc1_high", "icc3_high"), icc),
            )
            for family in ("all", "wall")
            for name, icc in (("ih_entropy", 0.9), ("ivh_v10", 0.6))
        ]
        self.record(
            "stability", cohort, "done", [self.write("feature_stability", cohort, measured)]
        )
        files = [
            self.write("selection_count", cohort, counts),
            self.write("selection_step", cohort, ledger),
            self.write("selected_feature", cohort, chosen),
        ]
        self.record("selection", cohort, "done", files)
        tests = [
            row(
                "combined_test",
                cohort_hash=cohort,
                profile="as_published",
                segment=segment,
                configuration="combined",
                test="fisher",
                statistic=statistic,
                threshold=135.81,
            )
            for segment, statistic in (("MYO", 150.0), ("LAD3", 90.0))
        ]
        self.record("evaluation", cohort, "done", [self.write("combined_test", cohort, tests)])
        self.flush("week")


def as_arrow(table: str, rows: list[dict]):
    import pyarrow as pa

    names = list(rows[0])
    kinds = TABLES[table].columns
    return pa.table({n: pa.array([r[n] for r in rows], type=kinds.get(n, REAL)) for n in names})


def clinical_row(record: str, study: str, patient: str, **values: object) -> dict:
    """An accepted registry row of a study, linked by accession."""
    known = {
        "record_key": record,
        "patient_key": patient,
        "accession_key": f"acc{study}",
        "reading": "normal",
        "sex": "F",
        "race": "A",
        "age": 60.0,
        "bmi": 25.0,
        "lvef": 60.0,
        "cac_total": 10.0,
        "cac_lad": 10.0,
        "is_accepted": True,
    }
    return row("clinical", **(known | values))


EXPECTED = {
    "s01": "included",
    "s02": "patient_included",
    "s03": "pull_quarantined",
    "s04": "intake_rejected",
    "s05": "segmentation_quarantined",
    "s06": "quality_hold",
    "s07": "review_rejected",
    "s08": "review_pending",
    "s09": "radiomics_missing",
    "s10": "clinical_missing",
    "s11": "reading_not_normal",
    "s12": "cac_too_far",
    "s13": "cac_impossible",
    "s14": "clinical_rejected",
    "s15": "clinical_ambiguous",
    "s16": "included",
    "s17": "cac_missing",
    "s18": "intake_missing",
    "s19": "included",
    "s20": "pull_missing",
}
"""Reason of each fabricated study where ``cohort.accept`` is ``pass``."""


def settings() -> Config:
    return Config.model_validate({"cohort": {"accept": "pass"}, "warehouse": {"threads": 1}})


def fabricate(build: Builder) -> None:
    """One study for each reason; s16 is linked by date, s19 is accepted by a physician."""
    build.catalogue()
    build.through("s01", "p01", seed=1)
    build.through("s02", "p01", seed=2, day=5)
    build.pull("s03", "p03", is_fetched=False)
    build.set_aside("pull", "s03")
    build.pull("s20", "p20", is_fetched=False)
    build.record(
        "pull",
        "w1",
        "done",
        [build.write("query_window", "w1", [row("query_window", window_key="w1", n_returned=20)])],
    )
    build.lake.quarantine("pull", "w1", error="X", problem="1 answer has no UID", way_out="ask")
    build.pull("s04", "p04")
    build.intake("s04", reasons=("voxel_size", "not_stress"))
    build.through("s05", "p05", "intake")
    build.set_aside("segmentation", "s05")
    for key, verdict in (("s06", "hold"), ("s07", "pass"), ("s08", "review"), ("s19", "review")):
        build.through(key, key.replace("s", "p"), "segmentation")
        build.quality(key, verdict, ("motion",) if verdict != "pass" else ())
    build.review("s07", "reject")
    build.review("s19", "unsure", "2026-01-01T09:00:00Z")
    build.review("s19", "accept", "2026-01-02T09:00:00Z")
    build.radiomics("s19", 19)
    build.through("s09", "p09", "quality")
    for i in (10, 11, 12, 13, 14, 15, 17):
        build.through(f"s{i}", f"p{i}", seed=i)
    build.through("s16", "p16", seed=16, accession="", day=3)
    build.pull("s18", "p18")
    build.registry(
        [
            clinical_row("r01", "s01", "p01", cac_total=120.0, cac_lad=100.0, cac_rca=20.0),
            clinical_row("r02", "s02", "p01"),
            clinical_row("r06", "s06", "p06"),
            clinical_row("r11", "s11", "p11", reading="abnormal"),
            clinical_row("r12", "s12", "p12", cac_date_shifted=dt.date(2019, 8, 1)),
            clinical_row("r13", "s13", "p13", cac_total=10.0, cac_lad=50.0),
            clinical_row("r14", "s14", "p14", is_accepted=False, reasons=["age_negative"]),
            clinical_row("r15", "s15", "p15"),
            clinical_row("r15b", "s15", "p15", cac_total=20.0),
            clinical_row(
                "r16", "", "p16", accession_key="", study_date_shifted=dt.date(2019, 3, 4)
            ),
            clinical_row("r17", "s17", "p17", cac_total=None, flags=["cac_lad_missing"]),
            clinical_row("r19", "s19", "p19", cac_total=7.0, cac_lad=7.0),
            clinical_row("r99", "s99", "p99"),
        ]
    )
    build.predict("s01", 100.0)
    build.flush()
