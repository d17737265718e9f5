"""Measure this engine as the peers are measured."""

from __future__ import annotations

from clock import put_on_path, serve


def make(image, mask, spacing):
    from mpss_lib.radiomics import extract_many

    def extract(bins):
        found = extract_many(image, {"region": mask}, spacing, bins=bins)
        return found["region", bins[0]]

    return extract


if __name__ == "__main__":
    put_on_path()
    from mpss_lib.config import ENGINES

    serve(f"engine {ENGINES['radiomics']}", make)
