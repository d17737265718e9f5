# The warehouse from R, by two wide tables as CSV; no package is needed.
#
#   mpss sql "from feature.radiomics where segment = 'MYO' and bins = 64" --format csv --output myo64.csv
#   mpss sql "select study_key, cac_total from core.cohort" --format csv --output cohort.csv
#   Rscript examples/lake_in_R.R
#
# With the package arrow, `arrow::read_parquet("myo64.parquet")` reads the Parquet file of the same query and keeps its
# types: that line was never run here.

myo <- read.csv("myo64.csv")
cohort <- read.csv("cohort.csv")
both <- merge(myo, cohort, by = "study_key")
features <- both[setdiff(names(myo)[vapply(myo, is.numeric, logical(1))], "bins")]
rho <- vapply(features, function(x) suppressWarnings(cor(x, both$cac_total, method = "spearman")), numeric(1))
print(head(sort(abs(rho), decreasing = TRUE), 10))
