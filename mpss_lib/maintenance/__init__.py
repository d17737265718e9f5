"""Upkeep of a home: backups that can be restored, and how long each layer is kept."""
