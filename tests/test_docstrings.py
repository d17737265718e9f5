"""Docstrings tell what functions take, give, refuse and follow; the share of those that do."""

import ast

import docstring_shares
import pytest

LEAST = 0.99
"""Wanted of public functions with arrays; doors leave nothing out."""


@pytest.fixture(scope="module")
def looked():
    return docstring_shares.functions(docstring_shares.PROJECT)


def test_every_door_and_every_stage_tells_all(looked):
    doors = [one for one in looked if one.is_door]
    assert {one.name.split(":")[1] for one in doors} >= {"run", "feature_matrix", "read_study"}
    assert len(doors) >= 15
    assert [f"{one.name}: {', '.join(one.missing)}" for one in doors if one.missing] == []


def test_public_functions_with_arrays_tell_all(looked):
    found = [one for one in looked if one.has_arrays]
    assert len(found) > 250
    missing = [f"{one.name}: {', '.join(one.missing)}" for one in found if one.missing]
    assert docstring_shares.share(found) >= LEAST, "\n".join(missing)


def missing_of(tmp_path, text):
    """What the docstrings of one module leave out, by name."""
    module = tmp_path / "mpss_lib/radiomics/module.py"
    module.parent.mkdir(parents=True)
    (tmp_path / "mpss_lib/__init__.py").write_text("_HOMES = {}\n")
    module.write_text(text)
    ast.parse(text)
    return {one.name.split(":")[1]: one.missing for one in docstring_shares.functions(tmp_path)}


def test_what_is_left_out_is_named(tmp_path):
    found = missing_of(
        tmp_path,
        '''
"""Module."""
Levels = NDArray[np.int32]
def bare(a: Levels, n: int) -> FloatVolume:
    """Do."""
    raise GeometryError("x")
def part(a: Levels, n: int) -> Levels:
    """Do.

    Parameters
    ----------
    a, n : array, int

    Returns
    -------
    array
    """
def _hidden(a: Levels) -> Levels: ...
def plain(n: int) -> int: ...
''',
    )
    assert found == {
        "bare": ("parameter a", "parameter n", "returns", "error GeometryError", "source"),
        "part": ("shape of a", "shape of what returns", "source"),
    }


def test_what_is_told_is_seen(tmp_path):
    found = missing_of(
        tmp_path,
        '''
"""Module (Haralick 1973)."""
def whole(a: NDArray[np.float64], mask: Mask) -> tuple[Mask, NDArray[np.float64]]:
    """Do.

    Parameters
    ----------
    a : (z, y, x) float64 array
    mask : Mask

    Returns
    -------
    mask : Mask
    values : (n,) float64 array

    Raises
    ------
    GeometryError
        If the grids differ.
    """
    raise GeometryError("x")
class Kind:
    @property
    def axis(self) -> NDArray[np.float64]:
        """Unit vector, (x, y, z)."""
''',
    )
    assert found == {"whole": (), "Kind.axis": ()}
