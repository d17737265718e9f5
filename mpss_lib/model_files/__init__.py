"""A registered model as a file: out of the lake, judged at another site, applied in SQL."""
