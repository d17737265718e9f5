"""The audit log: who pulled, looked somebody up, reviewed, exported, purged, restored."""
