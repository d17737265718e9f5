"""What the images of the demo's hospital tell of calcium is chosen, told and remembered."""

from __future__ import annotations

import pytest

from mpss_lib.demo.clinical import DEFAULT_SIGNAL, SIGNALS
from mpss_lib.demo.plan import plan_hospital
from mpss_lib.demo.run import _remember
from mpss_lib.errors import WrongArgumentError
from mpss_lib.whole_files import read_json, write_json


def test_a_home_remembers_its_signal_and_refuses_another(tmp_path):
    asked = {"patients": 60, "signal": "none"}
    _remember(tmp_path, asked)
    _remember(tmp_path, asked)
    assert read_json(tmp_path / "hospital.json") == asked
    with pytest.raises(WrongArgumentError, match="60 patients, signal none, not of 60, signal op"):
        _remember(tmp_path, {"patients": 60, "signal": "open"})
    with pytest.raises(WrongArgumentError, match="signal 'loud'"):
        _remember(tmp_path / "new", {"patients": 60, "signal": "loud"})
    write_json(tmp_path / "hospital.json", {"patients": 60})  # of a version before
    _remember(tmp_path, {"patients": 60, "signal": DEFAULT_SIGNAL})


def test_the_paper_s_signal_and_none_differ_in_calcium_and_in_the_images():
    """Same people; with a suppressor the amplitudes differ too."""
    paper, none = (plan_hospital(40, 3, SIGNALS[name]) for name in ("paper", "none"))
    assert [s.person.age for s in paper] == [s.person.age for s in none]
    assert [s.person.amplitude for s in paper] != [s.person.amplitude for s in none]
    assert [s.person.cac for s in paper] != [s.person.cac for s in none]


@pytest.mark.parametrize(("name", "said"), [("none", "chance"), ("paper", "hidden"),
                                            ("open", "openly")])  # fmt: skip
def test_a_signal_says_what_it_is(name, said):
    assert said in SIGNALS[name].told()
