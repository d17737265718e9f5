"""Demo: a synthetic hospital and its embedded PACS."""
