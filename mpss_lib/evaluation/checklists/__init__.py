"""Reporting checklists that fill themselves in: TRIPOD+AI, CLEAR, METRICS, IBSI."""
