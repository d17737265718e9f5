"""How objects come from the archive: one loop, several ways."""
