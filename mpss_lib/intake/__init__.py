"""Intake: header and geometry gate, choice of the series."""
