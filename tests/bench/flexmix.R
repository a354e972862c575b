# Times stepFlexmix per start on a long panel: Rscript flexmix.R panel.csv K starts
suppressMessages(library(flexmix))
arguments <- commandArgs(trailingOnly = TRUE)
panel <- read.csv(arguments[1])
k <- as.integer(arguments[2])
starts <- as.integer(arguments[3])
set.seed(1)
# sigma is 1 in the model compared; flexmix estimates it, common to all segments, which is the nearest that it offers.
took <- system.time(fit <- stepFlexmix(y ~ x | store, data = panel, k = k, nrep = starts, verbose = FALSE,
  model = FLXMRglmfix(varFix = TRUE), control = list(iter.max = 2000, tolerance = 1e-10, minprior = 0)))
cat(sprintf("%.6f %.6f\n", took[["elapsed"]] / starts, as.numeric(logLik(fit))))
