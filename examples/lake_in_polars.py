# %% [markdown]
# # The lake from polars
#
# The lake is Parquet: any program reads it. Which files count is what the snapshot knows, so ask it once for a file of the
# rows that you want, or read a table's files yourself.

# %%
import subprocess
import sys

import polars as pl

import mpss_lib

# %% [markdown]
# ## By the snapshot: no copy, no file

# %%
with mpss_lib.open_warehouse() as con:
    features = con.sql("from feature.radiomics where bins = 64").pl()
    scores = con.sql("select study_key, cac_total from core.cohort").pl()
joined = features.join(scores, on="study_key")
print(joined.group_by("segment").agg(pl.len().alias("studies"), pl.col("cac_total").median()))

# %% [markdown]
# ## By a file, for R and others
#
# `mpss sql ... --output myo64.parquet` writes it; polars reads it lazily.

# %%
question = "from feature.radiomics where segment = 'MYO' and bins = 64"
command = [sys.executable, "-m", "mpss_lib.cli", "sql", question, "--output", "myo64.parquet"]
subprocess.run(command, check=True)
myo = pl.scan_parquet("myo64.parquet")
print(myo.select(pl.col("study_key").n_unique(), pl.selectors.float().mean()).collect())
