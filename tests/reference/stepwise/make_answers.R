# Reference answers of stepwise regression: R 4.2.2 (stats::step) and MASS 7.3-58.2 (stepAIC),
# and the add-first loop of MATLAB's help page written with lm, AIC and anova.
# Run here: Rscript make_answers.R   (reads problem_*.csv, writes answers.csv)
suppressPackageStartupMessages(library(MASS))

add_first <- function(d, rule, enter, remove) {
  all <- setdiff(names(d), "y")
  current <- character(0)
  fit_of <- function(terms) {
    lm(reformulate(if (length(terms)) terms else "1", "y"), d)
  }
  value_of <- function(small, big) {
    if (rule == "aic") AIC(big) - AIC(small) else anova(small, big)[2, 6]
  }
  repeat {
    now <- fit_of(current)
    best <- NULL
    for (term in setdiff(all, current)) {
      big <- fit_of(c(current, term))
      if (big$rank == now$rank || big$df.residual <= 0) next
      value <- value_of(now, big)
      if (is.null(best) || value < best$value) best <- list(term = term, value = value)
    }
    if (!is.null(best) && best$value <= enter) { current <- c(current, best$term); next }
    worst <- NULL
    for (term in current) {
      small <- fit_of(setdiff(current, term))
      if (small$rank == now$rank) next
      value <- value_of(small, now)
      if (is.null(worst) || value > worst$value) worst <- list(term = term, value = value)
    }
    if (is.null(worst) || worst$value < remove) break
    current <- setdiff(current, worst$term)
  }
  fit_of(current)
}

row_of <- function(name, method, fit) {
  terms <- sort(attr(terms(fit), "term.labels"))
  data.frame(problem = name, method = method, terms = paste(terms, collapse = " "),
             llf = sprintf("%.10f", as.numeric(logLik(fit))))
}

rows <- list()
for (file in sort(list.files(".", "^problem_.*csv$"))) {
  d <- read.csv(file, stringsAsFactors = TRUE)
  name <- sub("\\.csv$", "", file)
  upper <- reformulate(setdiff(names(d), "y"), "y")
  null <- lm(y ~ 1, d)
  rows <- c(rows, list(
    row_of(name, "step", step(null, scope = list(lower = ~1, upper = upper),
                              direction = "both", trace = 0)),
    row_of(name, "stepAIC", stepAIC(null, scope = list(lower = ~1, upper = upper),
                                    direction = "both", trace = 0)),
    row_of(name, "aic .05 .2", add_first(d, "aic", .05, .2)),
    row_of(name, "aic 0 .01", add_first(d, "aic", 0, .01)),
    row_of(name, "sse .05 .2", add_first(d, "sse", .05, .2)),
    row_of(name, "sse .05 .1", add_first(d, "sse", .05, .1))))
}
write.csv(do.call(rbind, rows), "answers.csv", row.names = FALSE, quote = TRUE)
