"""Share of public functions whose docstring tells what they take, give, refuse and follow.

``python tests/docstring_shares.py`` prints the shares and names what is missing. Looked at are:

- the doors: what ``mpss_lib`` offers and ``run`` of every stage's ``stage.py``;
- every public function and method outside kernels that takes or gives arrays (NumPy's, volumes,
  masks, data frames; also within lists and mappings).

A docstring tells all where each parameter stands under ``Parameters``, a returned value under
``Returns`` or ``Yields``, each array with its shape (a volume or mask carries its own) and each
error that the body raises under ``Raises``. Where a formula is computed (``FORMULAS``) it, or that
of its class or module, names a source: a clause, an equation, a study, a standard, or itself.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
CARRIERS = frozenset({"Volume", "Mask"})
FORMULAS = ("radiomics", "evaluation", "selection", "stability", "calcium", "gated", "dicom")
_SHAPE = re.compile(r"\([^()]*,[^()]*\)|\bone row|\brows?\b|\bscalar|\bcolumns\b")
_SOURCE = re.compile(
    r"IBSI|PS ?3\.\d|C\.\d+\.\d|equation|ISO \d+|[Ss]ection|[Cc]lause|[Pp]aper|et al|"
    r"[A-Z][a-z]+,? \(?\d{4}|MATLAB|\bours\b"
)
_HEADS = ("Parameters", "Attributes", "Returns", "Yields", "Raises", "Notes", "References")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Told:
    """A public function: what its docstring leaves out."""

    name: str
    is_door: bool
    has_arrays: bool
    missing: tuple[str, ...]


def functions(project: Path) -> list[Told]:
    """Every door and every public function with arrays of the library."""
    paths = sorted((project / "mpss_lib").rglob("*.py"))
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    arrays = _names_of_arrays({_dotted(path, project): tree for path, tree in trees.items()})
    doors = _doors(project, trees)
    found = []
    for path, tree in trees.items():
        place = path.relative_to(project).as_posix()
        if path.name.startswith("_") and path.name != "__init__.py":
            continue
        for name, function, around in _public(tree, (ast.get_docstring(tree) or "",)):
            known = arrays[_dotted(path, project)]
            one = _look(f"{place}:{name}", function, around, known, f"{place}:{name}" in doors)
            if one.is_door or one.has_arrays:
                found.append(one)
    return found


def _names_of_arrays(trees: dict[str, ast.Module]) -> dict[str, frozenset[str]]:
    """Names that stand for an array in each module: NumPy's own, and those that modules give."""
    given = {name: frozenset(_aliases(tree)) for name, tree in trees.items()}
    return {
        name: frozenset({"NDArray", "ndarray", "DataFrame", *CARRIERS, *given[name]}).union(
            *(_imported(node, given) for node in tree.body if isinstance(node, ast.ImportFrom))
        )
        for name, tree in trees.items()
    }


def _aliases(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(value, ast.Subscript):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(value.value).endswith("NDArray"):
                yield ast.unparse(target)


def _imported(node: ast.ImportFrom, given: dict[str, frozenset[str]]) -> Iterator[str]:
    names = {one.name for one in node.names}
    yield from names & given.get(f"{node.module}", frozenset())
    for one in names:  # a module, whose names are used as its attributes
        yield from given.get(f"{node.module}.{one}", ())


def _dotted(path: Path, project: Path) -> str:
    return ".".join(path.relative_to(project).with_suffix("").parts).removesuffix(".__init__")


def _doors(project: Path, trees: dict[Path, ast.Module]) -> frozenset[str]:
    """Places of what ``mpss_lib`` offers, and of every stage's ``run``."""
    library = project / "mpss_lib"
    homes = next(
        ast.literal_eval(node.value)
        for node in trees[library / "__init__.py"].body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES"
    )
    found = {f"{path.relative_to(project).as_posix()}:run" for path in library.glob("*/stage.py")}
    for name, module in homes.items():
        for path, tree in trees.items():
            is_there = any(isinstance(one, Function) and one.name == name for one in tree.body)
            if is_there and f"{_dotted(path, project)}.".startswith(f"{module}."):
                found.add(f"{path.relative_to(project).as_posix()}:{name}")
    return frozenset(found)


def _public(
    node: ast.Module | ast.ClassDef, around: tuple[str, ...], before: str = ""
) -> Iterator[tuple[str, Function, tuple[str, ...]]]:
    for one in node.body:
        if isinstance(one, ast.ClassDef) and not one.name.startswith("_"):
            told = (*around, ast.get_docstring(one) or "")
            yield from _public(one, told, f"{before}{one.name}.")
        if isinstance(one, Function) and not one.name.startswith("_"):
            yield f"{before}{one.name}", one, around


def _look(
    name: str, function: Function, around: tuple[str, ...], arrays: frozenset[str], is_door: bool
) -> Told:
    text = ast.get_docstring(function) or ""
    parts = sections(text)
    taken = {
        one.arg: ast.unparse(one.annotation) if one.annotation else ""
        for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        if one.arg not in ("self", "cls")
    }
    given = ast.unparse(function.returns) if function.returns else "None"
    of_arrays = {one for one, kind in taken.items() if _words(kind) & arrays}
    has_arrays = bool(of_arrays or _words(given) & arrays)
    missing = [
        *_parameters(parts.get("Parameters", ""), taken, of_arrays),
        *_returned(text, parts, function, given, arrays),
        *(
            f"error {error}"
            for error in sorted(_raised(function))
            if error not in parts.get("Raises", "")
        ),
    ]
    if name.split("/")[1] in FORMULAS and not _SOURCE.search("\n".join((text, *around))):
        missing.append("source")
    return Told(name, is_door, has_arrays, tuple(missing))


def sections(text: str) -> dict[str, str]:
    """Split a docstring at its numpy sections."""
    heads = "|".join(_HEADS)
    pieces = re.split(rf"^({heads})\n-+$", text, flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def _words(kind: str) -> set[str]:
    return set(re.findall(r"\w+", kind))


def _parameters(told: str, taken: dict[str, str], of_arrays: set[str]) -> list[str]:
    entries: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", told.strip("\n")):
        names, _, kind = entry.partition(":")
        entries |= {one.strip(" *"): kind for one in names.split(",")}
    missing = [f"parameter {one}" for one in taken if one not in entries]
    return missing + [
        f"shape of {one}"
        for one in sorted(of_arrays & set(entries))
        if not (_words(taken[one]) & CARRIERS or _SHAPE.search(entries[one]))
    ]


def _returned(
    text: str, parts: dict[str, str], function: Function, given: str, arrays: frozenset[str]
) -> list[str]:
    if given in ("None", "NoReturn"):
        return []
    marks = {ast.unparse(one).split(".")[-1] for one in function.decorator_list}
    is_attribute = bool(marks & {"property", "cached_property"})
    told = text if is_attribute else parts.get("Returns", parts.get("Yields", ""))
    if not told.strip():
        return ["returns"]
    has_arrays = _words(given) & (arrays - CARRIERS)
    return ["shape of what returns"] if has_arrays and not _SHAPE.search(told) else []


def _raised(function: Function) -> set[str]:
    """Classes that the body raises by name; errors that a variable holds are not seen."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func).split(".")[-1])
    return {one for one in found if re.fullmatch(r"[A-Z]\w*(?:Error|Exit|Warning)", one)}


def share(of: list[Told]) -> float:
    """Share of functions that leave nothing out."""
    return sum(not one.missing for one in of) / len(of)


if __name__ == "__main__":
    looked = functions(PROJECT)
    at_doors = [one for one in looked if one.is_door]
    with_arrays = [one for one in looked if one.has_arrays]
    lines = [f"{one.name}: {', '.join(one.missing)}" for one in looked if one.missing]
    lines.append(f"doors and stages: {share(at_doors):.1%} of {len(at_doors)}")
    lines.append(f"public functions with arrays: {share(with_arrays):.1%} of {len(with_arrays)}")
    sys.stdout.write("\n".join(lines) + "\n")
