import pytest

from mpss_lib import config as settings
from mpss_lib.errors import SettingsError
from mpss_lib.sections import BatchSettings


def test_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path):
    (tmp_path / "mpss.toml").write_text("[cohort]\naccept = 'pass'\ncac_max_days = 30\n")
    config = settings.load(tmp_path, {"MPSS_COHORT__CAC_MAX_DAYS": "60"})
    assert config.cohort.accept == "pass"
    assert config.cohort.cac_max_days == 60
    assert config.cohort.reading == "normal"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[cohort]\nacept = 'pass'\n", "cohort.acept"),
        ("[kohort]\naccept = 'pass'\n", "kohort"),
        ("[segmentation]\nwall_mm = 300\n", "segmentation.wall_mm"),
        ("[radiomics]\nbins = [4, 4]\n", "radiomics.bins"),
        ("[site]\ntimezone = 'Europe/Nowhere'\n", "site.timezone"),
        ("[cohort\n", "mpss.toml"),
    ],
)
def test_a_bad_settings_file_is_refused_and_the_entry_named(tmp_path, text, named):
    (tmp_path / "mpss.toml").write_text(text)
    with pytest.raises(SettingsError, match=named.replace(".", r"\.")):
        settings.load(tmp_path, {})


@pytest.mark.parametrize("name", ["MPSS_COHORT__ACEPT", "MPSS_KOHORT__ACCEPT", "MPSS_ACCEPT"])
def test_an_unknown_variable_is_refused_and_named(tmp_path, name):
    with pytest.raises(SettingsError, match=name):
        settings.load(tmp_path, {name: "pass"})


def test_the_old_name_of_the_maintenance_is_read_and_told(tmp_path, caplog):
    (tmp_path / "mpss.toml").write_text("[upkeep]\nlogs_days = 9\n")
    config = settings.load(tmp_path, {"MPSS_UPKEEP__AIRFLOW_DAYS": "8"})
    assert (config.maintenance.logs_days, config.maintenance.airflow_days) == (9, 8)
    assert "mpss.toml: section [upkeep] is called [maintenance] now" in caplog.text
    assert "MPSS_UPKEEP__AIRFLOW_DAYS: the section is called maintenance now" in caplog.text
    (tmp_path / "mpss.toml").write_text("[upkeep]\nlogs_days = 9\n[maintenance]\n")
    with pytest.raises(SettingsError, match=r"has both \[upkeep\] and \[maintenance\]"):
        settings.load(tmp_path, {})


def test_what_governs_every_batch_is_read_at_its_old_place_and_told(tmp_path, caplog):
    file = tmp_path / "mpss.toml"
    file.write_text("[pull]\nfault_share = 0.5\nmin_batch = 7\n[batch]\nfault_least = 3\n")
    config = settings.load(tmp_path, {"MPSS_PULL__MIN_BATCH": "9"})
    assert config.batch == BatchSettings(fault_share=0.5, fault_least=3, min_batch=9)
    assert "mpss.toml: setting pull.fault_share is batch.fault_share now" in caplog.text
    assert "MPSS_PULL__MIN_BATCH: the setting is batch.min_batch now" in caplog.text
    file.write_text("[pull]\nmin_batch = 7\n[batch]\nmin_batch = 8\n")
    with pytest.raises(SettingsError, match=r"both pull\.min_batch and batch\.min_batch"):
        settings.load(tmp_path, {})
    file.write_text("pull = 3\n")
    with pytest.raises(SettingsError, match=r"setting pull = 3"):
        settings.load(tmp_path, {})


def test_the_address_of_the_archive_is_read_at_its_old_place_and_told(tmp_path, caplog):
    (tmp_path / "mpss.toml").write_text('[site]\narchive_host = "pacs"\ncalled_aet = "OLD"\n')
    archive = settings.load(tmp_path, {"MPSS_SITE__ARCHIVE_PORT": "4242"}).archive
    assert (archive.host, archive.port, archive.called_aet) == ("pacs", 4242, "OLD")
    assert "mpss.toml: setting site.archive_host is archive.host now: move it" in caplog.text
    assert "MPSS_SITE__ARCHIVE_PORT: the setting is archive.port now: rename it" in caplog.text


def test_the_outputs_of_a_home_with_default_settings_are_where_they_were(config):
    """Changed only with what changes a number: else every study is done again."""
    assert {stage: config.address(stage).config for stage in settings.STAGES} == {
        "pull": "f901329d7267",
        "intake": "b8610d3578b8",
        "segmentation": "cf0acd8bbfd4",
        "quality": "039bb15ba061",
        "radiomics": "8137a22da7ea",
        "gated": "6933993709ff",
        "companions": "e75bbaa48925",
        "calcium": "0bc4fe2355ee",
        "stability": "1082a52e8d35",
        "warehouse": "7fe92e941b12",
        "selection": "a45d5c7c7d62",
        "evaluation": "32c5c7c27bf6",
        "publication": "60d72e9545a6",
    }


def test_foreign_variables_are_left_alone(tmp_path):
    assert settings.load(tmp_path, {"PATH": "/bin", "MPSS_HOME": "x"}) == settings.Config()


def test_settings_are_frozen(config):
    with pytest.raises(ValueError, match="frozen"):
        config.cohort.accept = "pass"


def test_a_thicker_wall_makes_new_radiomics_and_quality_but_not_new_volumes(tmp_path):
    thin = settings.load(tmp_path, {})
    thick = settings.load(tmp_path, {"MPSS_SEGMENTATION__WALL_MM": "12.0"})
    changed = {s for s in settings.STAGES if thin.address(s) != thick.address(s)}
    assert changed == {
        "segmentation", "quality", "radiomics", "calcium", "stability", "selection", "evaluation",
        "publication",
    }  # fmt: skip


def test_addresses_and_thread_counts_change_no_hash(tmp_path):
    plain = settings.load(tmp_path, {})
    other = settings.load(
        tmp_path,
        {
            "MPSS_ARCHIVE__PORT": "4242",
            "MPSS_WAREHOUSE__THREADS": "8",
            "MPSS_PULL__LOOKBACK_DAYS": "3",
        },
    )
    assert all(plain.address(stage) == other.address(stage) for stage in settings.STAGES)


def test_a_new_engine_of_one_stage_reaches_every_stage_that_reads_it(tmp_path, monkeypatch):
    config = settings.load(tmp_path, {})
    before = {stage: config.address(stage) for stage in settings.STAGES}
    monkeypatch.setattr(settings, "ENGINES", {**settings.ENGINES, "intake": "new"})
    changed = {stage for stage in settings.STAGES if config.address(stage) != before[stage]}
    assert changed == set(settings.STAGES) - {"pull", "companions", "warehouse"}
