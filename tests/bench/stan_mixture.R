# Draws from the mixture of a wide panel: Rscript stan_mixture.R model.stan sales.csv prices.csv start.csv draws.csv
# sales.csv: a row of log sales for each store; prices.csv: log prices; start.csv: weight, alpha, beta by segment.
# Prints seconds of sampling on the clock and of processor (tuning included, compiling not), and Stan's version.
suppressMessages(library(rstan))
if (rstan_options("boost_lib") == "") rstan_options(boost_lib = "/usr/include")  # where Debian keeps Boost
file <- commandArgs(trailingOnly = TRUE)
y <- as.matrix(read.csv(file[2], header = FALSE))
x <- read.csv(file[3], header = FALSE)[[1]]
start <- read.csv(file[4])
model <- stan_model(file[1])
data <- list(K = nrow(start), N = nrow(y), T = ncol(y), x = x, y = y, mean_y = mean(y))
at <- function(chain) list(weight = start$weight, alpha = start$alpha, beta = start$beta)
one <- function(chain) {
  fit <- sampling(model, data, chains = 1, chain_id = chain, warmup = 1000, iter = 2000, seed = 1, init = at, refresh = 0)
  extract(fit, c("weight", "alpha", "beta"), permuted = FALSE)[, 1, ]
}
took <- system.time(draws <- parallel::mclapply(1:4, one, mc.cores = 2, mc.preschedule = FALSE))
write.table(do.call(rbind, draws), file[5], sep = ",", row.names = FALSE, col.names = FALSE)  # chain after chain
cat(took[["elapsed"]], took[["user.child"]] + took[["sys.child"]], stan_version(), "\n")
