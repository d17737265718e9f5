"""Compile every kernel of the chain once; numba keeps the result on disk."""

from __future__ import annotations


def compile_kernels() -> None:
    """Run each engine on its smallest real case.

    A phantom is made and segmented, the IBSI digital phantom is measured, a null cohort is
    evaluated.
    """
    import numpy as np

    from mpss_lib.demo.phantom import PhantomSpec, make_phantom
    from mpss_lib.evaluation import evaluate
    from mpss_lib.radiomics.verify import verify
    from mpss_lib.segmentation import segment

    segment(make_phantom(PhantomSpec(seed=1)).volume)
    verify()
    rng = np.random.default_rng(1)
    columns = {f"x{i}": rng.normal(size=50) for i in range(3)}
    sex = np.array(["F", "M"])[rng.integers(0, 2, size=50)]
    evaluate(columns, {"sex": sex, "age": rng.normal(size=50)}, rng.normal(size=50))
