"""Pull: query the archive, fetch, verify, de-identify; import the registry."""
