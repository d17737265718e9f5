"""Papers that a hospital's PACS and network teams ask for: their tables are made from the code."""
