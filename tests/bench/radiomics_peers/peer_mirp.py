"""Measure MIRP in its own environment; one call for all bin numbers, nothing approximated."""

from __future__ import annotations

import logging
import tempfile
from importlib.metadata import version
from numbers import Real
from pathlib import Path
from types import SimpleNamespace

from clock import put_on_path, serve

FOLDER = tempfile.TemporaryDirectory()


def make(image, mask, spacing):
    from make_mirp_values import measure, write_images

    case = SimpleNamespace(name=f"n{mask.sum()}", image=image, mask=mask, spacing_mm=spacing)
    paths = write_images(case, Path(FOLDER.name))

    def extract(bins):
        found = measure(*paths, list(bins))
        return {key: v for key, v in found.items() if isinstance(v, Real)}

    return extract


if __name__ == "__main__":
    put_on_path("tests", "reference")
    logging.disable(logging.CRITICAL)
    serve(version("mirp"), make)
