# Times lmer on a long panel, random intercept and slope of log price: Rscript lme4.R long.csv fits formula
# Prints the median seconds of a fit on the clock, its log-likelihood and lme4's version.
suppressMessages(library(lme4))
file <- commandArgs(trailingOnly = TRUE)
panel <- read.csv(file[1])
took <- replicate(as.integer(file[2]), system.time(fit <<- lmer(as.formula(file[3]), panel, REML = FALSE))[["elapsed"]])
cat(median(took), sprintf("%.6f", as.numeric(logLik(fit))), as.character(packageVersion("lme4")), "\n")
