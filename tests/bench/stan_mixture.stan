// The finite mixture with its label summed out, week by week: the model as Stan's users write it.
data {
  int<lower=1> K;
  int<lower=1> N;
  int<lower=1> T;
  vector[T] x;
  vector[T] y[N];
  real mean_y;
}
parameters {
  simplex[K] weight;
  vector[K] alpha;
  vector[K] beta;
}
model {
  alpha ~ normal(mean_y, 3);
  beta ~ normal(-1, 1.5);
  weight ~ dirichlet(rep_vector(1, K));
  for (i in 1:N) {
    vector[K] lp = log(weight);
    for (k in 1:K) lp[k] += normal_lpdf(y[i] | alpha[k] + beta[k] * x, 1);
    target += log_sum_exp(lp);
  }
}
