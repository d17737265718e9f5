# Reference values of discrimination and calibration, by R and its package pROC.
#   Rscript make_values.R   (in this folder; writes cohort.csv and values.csv)
# Made with R 4.2.2 and pROC 1.18.0. The data are simulated: ties in both markers, an outcome with
# many zeros.
library(pROC)
set.seed(20210129)
n <- 120
clinical <- round(rnorm(n), 1)
radiomics <- round(0.4 * clinical + rnorm(n), 1)
score <- pmax(0, round(exp(2.5 + 1.2 * clinical + 0.7 * radiomics + 2 * rnorm(n)) - 8))
combined <- round(0.8 * clinical + 0.6 * radiomics + rnorm(n, sd = 0.3), 2)
weight <- tabulate(sample.int(n, replace = TRUE), n)
cohort <- data.frame(clinical, radiomics, combined, score, weight)
write.csv(cohort, "cohort.csv", row.names = FALSE)

rows <- list()
put <- function(name, value) rows[[length(rows) + 1]] <<- data.frame(name = name,
                                                    value = formatC(as.numeric(value), digits = 12, format = "g"))
for (event in c("any", "at_least_100", "above_400")) {
  y <- switch(event, any = score > 0, at_least_100 = score >= 100, above_400 = score > 400)
  put(paste0("events.", event), sum(y))
  roc_of <- function(x) roc(y, x, direction = "<", levels = c(FALSE, TRUE), quiet = TRUE)
  curves <- list(clinical = roc_of(clinical), radiomics = roc_of(radiomics), combined = roc_of(combined))
  for (name in names(curves)) {
    ends <- ci.auc(curves[[name]], method = "delong")
    put(paste("auc", event, name, sep = "."), ends[2])
    put(paste("auc_low", event, name, sep = "."), ends[1])
    put(paste("auc_high", event, name, sep = "."), ends[3])
  }
  for (other in c("clinical", "radiomics")) {
    test <- roc.test(curves$combined, curves[[other]], method = "delong", paired = TRUE)
    put(paste("auc_z", event, "combined", other, sep = "."), unname(test$statistic))
    put(paste("auc_p", event, "combined", other, sep = "."), test$p.value)
  }
  # Platt's targets, learned on the first 90 patients
  use <- 1:90
  target <- ifelse(y[use], (sum(y[use]) + 1) / (sum(y[use]) + 2), 1 / (sum(!y[use]) + 2))
  x <- combined[use]
  map <- suppressWarnings(glm(target ~ x, family = binomial,
                              control = glm.control(epsilon = 1e-14, maxit = 100)))
  put(paste("platt_intercept", event, sep = "."), coef(map)[1])
  put(paste("platt_slope", event, sep = "."), coef(map)[2])
  p <- plogis(-0.5 + 0.8 * combined)
  recalibrated <- glm(y ~ qlogis(p), family = binomial,
                      control = glm.control(epsilon = 1e-14, maxit = 100))
  table <- summary(recalibrated)$coefficients
  put(paste("recalibration_intercept", event, sep = "."), table[1, 1])
  put(paste("recalibration_slope", event, sep = "."), table[2, 1])
  put(paste("recalibration_intercept_se", event, sep = "."), table[1, 2])
  put(paste("recalibration_slope_se", event, sep = "."), table[2, 2])
}
again <- rep(seq_len(n), weight)
put("spearman", cor(combined, score, method = "spearman"))
put("spearman_resample", cor(combined[again], score[again], method = "spearman"))
line <- lm(log1p(score[again]) ~ combined[again])
put("line_intercept_resample", coef(line)[1])
put("line_slope_resample", coef(line)[2])
put("r2_resample", 1 - sum((log1p(score[again]) - combined[again])^2) /
  sum((log1p(score[again]) - mean(log1p(score[again])))^2))
put("wilson_low.7.of.23", prop.test(7, 23, correct = FALSE)$conf.int[1])
put("wilson_high.7.of.23", prop.test(7, 23, correct = FALSE)$conf.int[2])
write.csv(do.call(rbind, rows), "values.csv", row.names = FALSE, quote = FALSE)
