"""Compile every kernel of the chain once; numba keeps the result on disk."""

from __future__ import annotations


def compile_kernels() -> None:
    """Run each engine on its smallest real case: a phantom is segmented, the IBSI one measured."""
    from mpss_lib.demo.phantom import PhantomSpec, make_phantom
    from mpss_lib.radiomics.verify import verify
    from mpss_lib.segmentation import segment

    phantom = make_phantom(PhantomSpec(seed=1))
    segment(phantom.volume)
    verify()
