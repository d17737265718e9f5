from __future__ import annotations

import shutil

import pytest
from invented_home import Invented, make_home, settings

from mpss_lib.config import Sites, SiteSettings
from mpss_lib.pull.vault import Vault
from mpss_lib.tables import Lake
from mpss_lib.withdrawal.purge import Home


@pytest.fixture(scope="session")
def invented_once(tmp_path_factory):
    """The home, made once; tests work on copies."""
    return make_home(tmp_path_factory.mktemp("invented") / "home")


@pytest.fixture
def invented(invented_once, tmp_path):
    root = tmp_path / "home"
    shutil.copytree(invented_once.root, root)
    sites = Sites(root / "vault.sqlite", root / "staging", SiteSettings())
    vault = Vault(sites.vault)
    return Invented(root, Lake(root / "lake"), settings(), sites, vault, invented_once.identities)


@pytest.fixture
def home(invented):
    return Home(invented.root, invented.lake, invented.config, invented.sites)
