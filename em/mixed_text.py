"""A mixed model in plain text."""

import numpy as np

from em.mixed_model import MixedFit


def describe(fit: MixedFit) -> str:
    """Fixed effects with standard errors, spread between stores, and what a reader must know to trust them."""
    by = f"REML {fit.restricted_log_likelihood:.4f}" if fit.restricted_log_likelihood is not None else "ML"
    p = fit.parameters
    lines = [
        f"mixed model of {len(fit.stores)} stores, log-likelihood {fit.log_likelihood:.4f} ({by}), "
        f"BIC {fit.criteria.bic:.3f}, {fit.n_parameters} parameters, sigma {p.sigma:.4f}",
        f"{'coefficient':<16}{'mean':>10}{'(se)':>10}{'sd between stores':>20}",
    ]
    sd = np.sqrt(np.diagonal(p.omega))
    for c, name in enumerate(fit.coefficients):
        spread = f"{sd[c]:20.4f}" if name in fit.random else f"{'-':>20}"
        lines.append(f"{name:<16}{p.mu[c]:10.4f}{f'({fit.standard_errors[c]:.4f})':>10}{spread}")
    lines += [f"singular: {told}" for told in fit.singular]
    return "\n".join([*lines, *(f"not to be trusted: {reason}" for reason in fit.warnings)])
