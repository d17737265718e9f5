"""One message for a cause, to a real mail server and a webhook; what fails is kept."""

import json
import logging
import smtplib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from alarm_channels import PERSON, SENDER, mail_server, webhook_server
from pydantic import ValidationError

from mpss_lib.alarm_section import AlarmSettings
from mpss_lib.alarms import check, judge, try_channels
from mpss_lib.alarms.delivery import DeliveryError, channels, send
from mpss_lib.alarms.facts import Facts
from mpss_lib.alarms.store import CALM, read_ledger
from mpss_lib.config import Config, sites_of
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Looks:
    """A home whose facts a test sets."""

    def __init__(self, root, **alarm):
        config = Config(alarm=AlarmSettings(**alarm))
        self.home = Home(root, Lake(root / "lake"), config, sites_of(config, root))
        self.facts = Facts(now=NOW)

    def at(self, minutes, **facts):
        now = NOW + minutes * MINUTE
        self.facts = replace(self.facts, **facts)
        return check(self.home, now, lambda home, moment: replace(self.facts, now=moment))


@pytest.fixture
def told(tmp_path):
    with mail_server() as (box, port), webhook_server() as (hook, address):
        looks = Looks(
            tmp_path,
            name="north",
            mail_to=[PERSON],
            mail_from=SENDER,
            smtp_url=f"smtp://127.0.0.1:{port}",
            webhooks=[address, f"slack+{address}", f"teams+{address}"],
            link="https://mpss.example/",
        )
        yield looks, box, hook


FULL = {"free_gb": {"/srv": 1.0}}
ROOM = {"free_gb": {"/srv": 900.0}}


def test_a_cause_is_told_once_and_again_when_it_has_ended(told):
    looks, box, hook = told
    for minute in range(5):
        looks.at(minute, **FULL)
    assert box.subjects == ["[MPSS north] alarm: the disk is nearly full"]
    ours, slack, teams = hook.posts
    assert (ours["rule"], ours["kind"], ours["subject"]) == ("disk_low", "raised", "/srv")
    assert ours["link"] == "https://mpss.example"
    assert "the disk is nearly full" in slack["text"]
    assert teams["attachments"][0]["content"]["type"] == "AdaptiveCard"
    mail = box.mails[0]
    body = mail.get_payload(decode=True).decode()
    assert "1.0 GB are free" in body
    assert "Way out: make room" in body
    assert ours["id"] in mail["Message-ID"]
    looks.at(6, **ROOM)
    looks.at(7, **FULL)  # back before anybody was told
    looks.at(8, **ROOM)
    assert len(box.mails) == 1
    looks.at(8 + CALM / MINUTE, **ROOM)
    assert box.subjects[1:] == ["[MPSS north] resolved: the disk is nearly full"]
    assert read_ledger(looks.home.root).open == {}
    looks.at(30, **FULL)
    assert len(box.mails) == 3
    assert len(hook.posts) == 9


def test_a_delivery_that_fails_is_kept_and_tried_again(told):
    looks, box, hook = told
    box.is_away, hook.status = True, 503
    ledger = looks.at(0, **FULL)
    assert len(ledger.waiting) == 4
    assert {one.tries for one in ledger.waiting} == {1}
    assert "SMTPDataError 451" in ledger.waiting[0].problem
    looks.at(0.5)
    assert {one.tries for one in read_ledger(looks.home.root).waiting} == {1}
    box.is_away, hook.status = False, 200
    assert looks.at(1.5).waiting == []
    assert len(box.mails) == 1
    assert len(hook.posts) == 3
    assert box.mails[0]["Message-ID"].startswith(f"<{hook.posts[0]['id']}@")


def test_what_failed_and_has_ended_is_told_in_order(told):
    looks, box, hook = told
    box.is_away, hook.status = True, 503
    looks.at(0, **FULL)
    looks.at(1, **ROOM)
    box.is_away, hook.status = False, 200
    looks.at(1 + CALM / MINUTE)
    assert [subject.split()[2] for subject in box.subjects] == ["alarm:", "resolved:"]


def test_a_new_episode_is_told_anew_without_an_end(told):
    from alarms.test_rules import night, sound, with_nights

    looks, box, _ = told
    look = lambda facts: check(looks.home, facts.now, lambda home, moment: facts)  # noqa: E731
    red = with_nights(sound(), night(0, "failed"))
    look(red)
    look(red)
    look(replace(with_nights(sound(), night(-1, "failed")), now=red.now + timedelta(days=1)))
    assert [subject.rpartition(" is ")[2] for subject in box.subjects] == ["red", "red"]


def test_quiet_hours_hold_what_is_not_urgent(tmp_path):
    with webhook_server() as (hook, address):
        looks = Looks(tmp_path, webhooks=[address], quiet="22:00-06:00")
        old = {"certificates": {"us.pem": NOW + timedelta(days=9)}}
        sound = {"certificates": {"us.pem": NOW + timedelta(days=900)}}
        looks.at(11 * 60, **old, **FULL)
        assert [post["rule"] for post in hook.posts] == ["disk_low"]
        looks.at(12 * 60, **sound)
        looks.at(13 * 60, **sound)  # never told: its end needs no message
        looks.at(18 * 60 + 1)
        assert len(hook.posts) == 1
        looks.at(36 * 60, **old)
        looks.at(42 * 60)
        assert [post["rule"] for post in hook.posts] == ["disk_low", "certificate"]


def test_what_passes_by_itself_settles_first(told):
    looks, box, _ = told
    looks.at(0, dead=("triggerer",))
    looks.at(0.1, dead=())
    looks.at(20, dead=("scheduler",))
    assert box.mails == []
    looks.at(20.5)
    assert box.subjects == ["[MPSS north] alarm: scheduler ended by itself"]


def test_what_cannot_be_looked_at_is_not_resolved(told):
    looks, box, _ = told
    looks.at(0, **FULL)
    looks.at(10, free_gb={}, unknown={"disk": "PermissionError"})
    looks.at(30)
    assert [s.partition(": ")[2] for s in box.subjects] == [
        "the disk is nearly full",
        "the room on the disk cannot be looked at",
    ]
    assert set(read_ledger(looks.home.root).open) == {"disk_low:/srv", "blind:disk"}


def test_login_and_its_password_are_used_and_never_told(tmp_path, caplog):
    with mail_server(with_login=True) as (box, port):
        settings = AlarmSettings(
            mail_to=[PERSON], mail_from=SENDER, smtp_url=f"smtp://me:p%40ss@127.0.0.1:{port}"
        )
        send("mail", MESSAGE, settings)
        assert box.logins == [("me", "p@ss")]
        wrong = settings.model_copy(update={"smtp_url": f"smtp://me:wr0ng@127.0.0.1:{port}"})
        with pytest.raises(DeliveryError, match="SMTPAuthenticationError 535") as error:
            send("mail", MESSAGE, wrong)
        assert "wr0ng" not in str(error.value)
        assert "p%40ss" not in repr(settings)


def test_starttls_is_asked_for_and_its_certificate_checked(tmp_path):
    with mail_server() as (box, port):
        url = f"smtp+starttls://127.0.0.1:{port}"
        settings = AlarmSettings(mail_to=[PERSON], mail_from=SENDER, smtp_url=url)
        with pytest.raises(DeliveryError, match=smtplib.SMTPNotSupportedError.__name__):
            send("mail", MESSAGE, settings)
        assert box.mails == []


def test_the_path_of_a_webhook_is_a_secret(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="mpss_lib")
    with webhook_server() as (hook, address):
        hook.status = 404
        looks = Looks(tmp_path, webhooks=[address])
        looks.at(0, **FULL)
        kept = json.dumps(json.loads((tmp_path / "alarms.json").read_text()))
        told = [*try_channels(looks.home).values()]
        assert "answered 404" in told[0]
        for text in (kept, caplog.text, str(channels(looks.home.config.alarm).keys()), *told):
            assert "s3cret" not in text
        assert (tmp_path / "alarms.json").stat().st_mode & 0o777 == 0o600
        assert "s3cret" not in repr(looks.home.config)


def test_a_test_message_goes_to_every_channel(told):
    looks, box, hook = told
    assert set(try_channels(looks.home).values()) == {""}
    assert box.subjects == ["[MPSS north] test: this is a test of the alarms"]
    assert len(hook.posts) == 3


def test_a_channel_that_is_gone_is_waited_for_no_more(told):
    looks, box, hook = told
    box.is_away, hook.status = True, 503
    looks.at(0, **FULL)
    config = Config(alarm=AlarmSettings())
    looks.home = replace(looks.home, config=config)
    assert looks.at(5).waiting == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"mail_to": ["it@x.example"]},
        {"mail_to": ["nobody"], "mail_from": SENDER, "smtp_url": "smtp://x"},
        {"mail_to": ["it@x.example"], "mail_from": SENDER, "smtp_url": "http://x"},
        {"webhooks": ["ftp://x/y"]},
        {"deadline": "7 o'clock"},
        {"quiet": "22-6"},
    ],
)
def test_a_wrong_setting_is_refused(wrong):
    with pytest.raises(ValidationError):
        AlarmSettings(**wrong)


def test_the_watch_looks_at_an_empty_home(tmp_path):
    looks = Looks(tmp_path)
    assert check(looks.home).open == {}
    assert judge(looks.facts, looks.home.config) == []


MESSAGE = {
    "version": 1,
    "id": "a1",
    "kind": "raised",
    "rule": "disk_low",
    "subject": "/srv",
    "urgency": "urgent",
    "what": "the disk is nearly full",
    "cause": "1.0 GB",
    "way_out": "make room",
    "link": "",
    "site": "north",
    "since": NOW.isoformat(),
    "time": NOW.isoformat(),
}
