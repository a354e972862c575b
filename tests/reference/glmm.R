# lme4's glmer and R's glm on the panels of tests/odd_panels.py, for glmm.json:
# python tests/odd_panels.py FOLDER; Rscript tests/reference/glmm.R FOLDER > tests/reference/glmm.json
# Laplace's approximation, and 9 nodes where one coefficient varies (lme4 then leaves constants out of its
# log-likelihood, so none is given). tolPwrss far below its default, which stops fits too early; where lme4 fails at
# every tolerance the entry is missing.
suppressMessages(library(lme4))
folder <- commandArgs(TRUE)[1]
control <- function(tol) {
  glmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.02, rhoend = 1e-9, maxfun = 1e5), tolPwrss = tol,
               check.conv.grad = "ignore", check.conv.hess = "ignore", check.conv.singular = "ignore",
               check.scaleX = "ignore")
}
# The tightest tolerance at which lme4 finds its way; NULL where it finds none.
fitted_by <- function(formula, family, data, nodes) {
  for (tol in c(1e-13, 1e-11, 1e-9, 1e-7)) {
    fit <- tryCatch(suppressMessages(glmer(formula, data, family, control(tol), nAGQ = nodes)), error = function(e) NULL)
    if (!is.null(fit)) return(list(fit = fit, tol = tol))
  }
  NULL
}
list_of <- function(x) paste0("[", paste(sprintf("%.12g", x), collapse = ", "), "]")
entries <- c()
for (file in list.files(folder, pattern = "csv$")) {
  name <- sub(".csv", "", file, fixed = TRUE)
  d <- read.csv(file.path(folder, file))
  shares <- any(d$trials > 1) || max(d$y) <= 1
  left <- if (shares) "cbind(y, trials - y)" else "y"
  right <- if ("income" %in% names(d)) "x1 * (income + competition) - income:competition" else "x1"
  if (!shares) right <- paste(right, "+ offset(log(exposure))")
  family <- if (shares) binomial() else poisson()
  plain <- suppressWarnings(glm(as.formula(paste(left, "~", right)), family, d, epsilon = 1e-14, maxit = 100))
  random <- if (name == "traits") "(x1 | store)" else "(1 | store)"
  nodes <- if (name == "traits") 1 else c(1, 9)
  of <- c(sprintf('"glm": {"mean": %s, "log_likelihood": %.12g}', list_of(coef(plain)), as.numeric(logLik(plain))))
  for (q in nodes) {
    found <- fitted_by(as.formula(paste(left, "~", right, "+", random)), family, d, q)
    if (is.null(found)) next
    fit <- found$fit
    value <- if (q == 1) sprintf(', "log_likelihood": %.12g', as.numeric(logLik(fit))) else ""
    of <- c(of, sprintf('"%d": {"tol": %g, "mean": %s, "se": %s, "omega": %s%s}', q, found$tol, list_of(fixef(fit)),
                        list_of(sqrt(diag(as.matrix(vcov(fit))))), list_of(as.matrix(VarCorr(fit)$store)), value))
  }
  entries <- c(entries, sprintf(' "%s": {\n  %s}', name, paste(of, collapse = ",\n  ")))
}
cat(sprintf('{\n "origin": "R %s.%s, lme4 %s: Rscript tests/reference/glmm.R on the panels of tests/odd_panels.py",\n',
            R.version$major, R.version$minor, packageVersion("lme4")))
cat(paste(entries, collapse = ",\n"), "\n}\n", sep = "")
