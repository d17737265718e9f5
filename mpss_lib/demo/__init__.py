"""Synthetic cohort: digital phantoms, clinical rows, an embedded PACS. No patient behind it."""
