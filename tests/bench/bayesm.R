# Draws from bayesm's hierarchical linear model: Rscript bayesm.R long.csv draws R
# long.csv: store, y and the columns of X. Writes the draws of mu; prints seconds of sampling on the clock and of
# processor, and bayesm's version. Its manual keeps R = 2000 and leaves all priors at their defaults; here R is given.
suppressMessages(library(bayesm))
file <- commandArgs(trailingOnly = TRUE)
panel <- read.csv(file[1])
columns <- setdiff(names(panel), c("store", "y"))
regdata <- lapply(split(panel, panel$store), function(one) list(y = one$y, X = as.matrix(one[columns])))
set.seed(1)
took <- system.time(invisible(capture.output(
  fit <- rhierLinearModel(Data = list(regdata = unname(regdata)), Mcmc = list(R = as.integer(file[3]), keep = 1, nprint = 0))
)))
write.table(fit$Deltadraw, file[2], sep = ",", row.names = FALSE, col.names = FALSE)
cat(took[["elapsed"]], took[["user.self"]] + took[["sys.self"]], as.character(packageVersion("bayesm")), "\n")
