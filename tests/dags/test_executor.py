"""What the executor loads before it forks is all that a study and a cohort need."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mpss_lib

pytestmark = pytest.mark.airflow

AFTER_THE_FORK = """
import sys
from mpss_airflow.executor import preload

def kernels():
    return {
        (name, key, signature)
        for name, module in list(sys.modules.items()) if name.startswith("mpss_lib.")
        if not name.startswith("mpss_lib.demo.")
        for key, found in vars(module).items() if hasattr(found, "py_func")
        for signature in found.signatures
    }

preload()
loaded, compiled = set(sys.modules), kernels()
assert {name.split(".")[1] for name, *_ in compiled} >= {"segmentation", "radiomics", "evaluation"}

import numpy as np
from mpss_lib.config import Config
from mpss_lib.demo.phantom import PhantomSpec, make_phantom
from mpss_lib.evaluation import evaluate
from mpss_lib.evaluation.permutation import permuted
from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.splits import draw
from mpss_lib.profiles import evaluation_profiles
from mpss_lib.radiomics.extraction import measure_regions
from mpss_lib.radiomics.stage import settings_of
from mpss_lib.radiomics.verify import verify
from mpss_lib.segmentation import segment

volume = make_phantom(PhantomSpec(seed=1)).volume
masks = {name: mask.array for name, mask in segment(volume).seven.items()}
measure_regions(volume.array, masks, volume.spacing_mm, settings_of(Config()))
assert all(family.is_sound for family in verify())
rng = np.random.default_rng(2)
columns = {f"x{i}": rng.normal(size=60) for i in range(5)}
clinical = {"sex": np.array(["F", "M"])[rng.integers(0, 2, size=60)], "age": rng.normal(size=60)}
for settings in evaluation_profiles(Config()).values():
    y = rng.uniform(0.0, 400.0, size=60)
    evaluate(columns, clinical, y, settings)
    design = encode({**columns, **clinical})
    permuted(design, 5, y, settings, draw(60, settings), range(2))

late = {name.partition(".")[0] for name in set(sys.modules) - loaded} - {"mpss_lib"}
print(sorted(late), sorted(kernels() - compiled))
"""


SELDOM = {"highdicom", "psycopg"}
"""What only an export of masks or of results needs."""


def test_every_module_that_a_stage_imports_late_is_loaded_before_the_fork():
    from mpss_airflow.executor import LATE

    from mpss_lib.config import STAGES

    late = set()
    for stage in STAGES:
        for path in (Path(mpss_lib.__file__).parent / stage).rglob("*.py"):
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, ast.FunctionDef) and path.name != "export.py":
                    late |= set(imported(function))
    ours = {name for name in late if name.startswith(("mpss_lib", "pydicom.sr.coding"))}
    heavy = {
        name
        for name in late - ours
        if name.partition(".")[0] not in SELDOM | set(sys.stdlib_module_names)
    }
    packages = {"scipy", "matplotlib"}  # of which other names are on the list
    assert heavy - packages <= set(LATE)


def imported(function):
    for node in ast.walk(function):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def test_a_task_imports_and_compiles_nothing_heavy_that_was_not_loaded_before_the_fork():
    done = subprocess.run(
        [sys.executable, "-c", AFTER_THE_FORK], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == "[] []"


def test_a_home_on_one_machine_runs_the_executor_that_loads_first(tmp_path):
    from airflow.executors.local_executor import LocalExecutor
    from airflow.sdk._shared.module_loading import import_string

    from mpss_lib.config import Config
    from mpss_lib.runtime.airflow_home import AirflowHome

    told = AirflowHome.open(tmp_path).environment(Config())["AIRFLOW__CORE__EXECUTOR"]
    assert issubclass(import_string(told), LocalExecutor)


def test_a_celery_worker_knows_its_queues_and_who_computes_compiles(monkeypatch):
    from mpss_airflow import celery_settings

    seen = []
    monkeypatch.setattr(celery_settings, "preload", lambda with_kernels: seen.append(with_kernels))
    for told in (["--queues", "pacs,publish"], ["-q", "compute"], ["-q", "pacs,compute"], []):
        monkeypatch.setattr(celery_settings.sys, "argv", ["airflow", "celery", "worker", *told])
        celery_settings.load_stages()
    assert seen == [False, True, True, False]
