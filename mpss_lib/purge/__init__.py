"""Withdrawal: every trace of a study or a patient goes, a tombstone stays, a search proves it."""
