# WAIC and PSIS-LOO of a fixed matrix by R's loo, for loo.json: Rscript tests/reference/loo.R > tests/reference/loo.json
# 1600 draws of 12 stores by a formula, so that both programs see the same numbers: a fixed sequence of fractions of
# golden-ratio multiples, through the normal quantile, with a heavier tail and a higher variance from store to store.
library(loo)
draws <- 1600
stores <- 12
at <- outer(1:draws, 1:stores, function(d, s) ((d * 0.6180339887498949 + s * 0.4142135623730951) %% 1) * 0.998 + 0.001)
scale <- matrix(0.05 * 1.35^(1:stores), draws, stores, byrow = TRUE)
z <- qnorm(at)
loglik <- matrix(-70 - (1:stores) / 3, draws, stores, byrow = TRUE) + scale * z - 0.15 * scale * z^2
one <- waic(loglik)
two <- loo(loglik, r_eff = rep(1, stores))
list_of <- function(x) paste0("[", paste(sprintf("%.15g", x), collapse = ", "), "]")
cat("{\n")
cat(sprintf(' "origin": "R %s.%s, loo %s: Rscript tests/reference/loo.R; draws x stores by the formula in it, r_eff 1",\n',
            R.version$major, R.version$minor, packageVersion("loo")))
cat(sprintf(' "elpd_waic": %s,\n "p_waic": %s,\n', list_of(one$pointwise[, "elpd_waic"]), list_of(one$pointwise[, "p_waic"])))
cat(sprintf(' "elpd_loo": %s,\n "p_loo": %s,\n', list_of(two$pointwise[, "elpd_loo"]), list_of(two$pointwise[, "p_loo"])))
cat(sprintf(' "pareto_k": %s,\n', list_of(two$diagnostics$pareto_k)))
total <- function(x, names) list_of(t(x$estimates[names, ]))
cat(sprintf(' "totals_waic": %s,\n', total(one, c("elpd_waic", "p_waic"))))
cat(sprintf(' "totals_loo": %s\n}\n', total(two, c("elpd_loo", "p_loo"))))
