"""What changed in the archive since: reconciliation and corrections."""
