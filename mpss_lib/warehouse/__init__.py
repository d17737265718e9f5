"""Warehouse: the published snapshot, built from sql/."""
