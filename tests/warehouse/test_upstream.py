"""Studies that the archive has otherwise: what the cohort makes of them, by setting."""

import pytest
from fabricated_lake import Builder, fabricate, settings

from mpss_lib import upstream
from mpss_lib.sections import CohortSettings
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage

INCLUDED = "s01"


@pytest.mark.parametrize(
    ("kind", "rule", "reason"),
    [
        (upstream.DELETED, {}, "included"),
        (upstream.DELETED, {"gone": "leave"}, "gone_from_archive"),
        (upstream.CORRECTED, {}, "included"),
        (upstream.CORRECTED, {"corrected": "leave"}, "pull_corrected"),
        (upstream.MERGED, {"gone": "leave", "corrected": "leave"}, "included"),
    ],
)
def test_the_flow_names_the_reason_and_sums(tmp_path, kind, rule, reason):
    plain = settings()
    cohort = CohortSettings.model_validate(plain.cohort.model_dump() | rule)
    config = plain.model_copy(update={"cohort": cohort})
    build = Builder(Lake(tmp_path / "lake"), config)
    fabricate(build)
    upstream.note(build.lake, upstream.Difference(INCLUDED, kind, "1 of: PixelData", "ask"))
    if kind == upstream.CORRECTED:
        build.lake.quarantine("pull", INCLUDED, error="X", problem="came again", way_out="accept")

    stage.run(build.lake, config)

    with open_snapshot(build.lake.snapshot) as connection:
        ask = lambda sql: connection.execute(sql).fetchall()  # noqa: E731
        assert ask(f"select reason from core.cohort_flow where study_key = '{INCLUDED}'") == [
            (reason,)
        ]
        n_studies, n_flow = ask(
            "select (select count(*) from core.study), (select count(*) from core.cohort_flow)"
        )[0]
        assert n_studies == n_flow
        assert ask("select sum(n_studies) from core.cohort_flow_summary") == [(n_flow,)]
        assert ask(f"select kind from meta.upstream where study_key = '{INCLUDED}'") == [(kind,)]
        broken = "select check_name from quality.check_result where n_bad > 0"
        assert [name for (name,) in ask(broken) if name.startswith("core.cohort")] == []


def test_a_study_that_was_never_fetched_stays_pull_quarantined_though_a_correction_waits(tmp_path):
    config = settings()
    build = Builder(Lake(tmp_path / "lake"), config)
    fabricate(build)
    upstream.note(build.lake, upstream.Difference("s20", upstream.CORRECTED, "", "ask"))
    build.lake.quarantine("pull", "s20", error="X", problem="came again", way_out="accept")
    stage.run(build.lake, config)
    with open_snapshot(build.lake.snapshot) as connection:
        found = connection.execute("select reason from core.cohort_flow where study_key = 's20'")
        assert found.fetchall() == [("pull_quarantined",)]
