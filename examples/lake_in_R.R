# The lake from R. Not run by the tests: R and its package arrow are not among the servers that they install.
#
#   mpss sql "from feature.radiomics where segment = 'MYO' and bins = 64" --output myo64.parquet
#   mpss sql "select study_key, cac_total from core.cohort" --output cohort.parquet
#   Rscript examples/lake_in_R.R

library(arrow)

myo <- read_parquet("myo64.parquet")
cohort <- read_parquet("cohort.parquet")
both <- merge(myo, cohort, by = "study_key")
numbers <- both[vapply(both, is.numeric, logical(1))]
rho <- vapply(numbers, function(x) suppressWarnings(cor(x, both$cac_total, method = "spearman")), numeric(1))
print(head(sort(abs(rho), decreasing = TRUE), 10))
