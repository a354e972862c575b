"""Covariates of membership: multinomial logit of a store's segment on its traits (Dayton & Macready 1988)."""

import numpy as np

from em.statistics import Floats


def logit_step(traits: Floats, responsibilities: Floats, gamma: Floats | None) -> Floats:
    """One damped Newton step, started at `gamma`, of the logit of responsibilities on traits; a generalised M-step.

    Parameters
    ----------
    traits : (store, trait), the first column ones.
    responsibilities : (..., store, segment)
    gamma : (..., segment, trait), zero for the first segment; None starts at equal slopes of zero.

    Returns
    -------
    (..., segment, trait): at least as likely as `gamma`.
    """
    k, q = responsibilities.shape[-1], traits.shape[1]
    if gamma is None:
        share = np.clip(responsibilities.mean(-2), 1e-12, None)
        gamma = np.zeros((*responsibilities.shape[:-2], k, q))
        gamma[..., 0] = np.log(share) - np.log(share[..., :1])
    if k == 1:
        return gamma
    unit = np.sqrt(np.square(traits).mean(0))
    traits, gamma = traits / unit, gamma * unit
    value, probability = _value(traits, responsibilities, gamma)
    slope = (np.swapaxes(responsibilities - probability, -1, -2) @ traits)[..., 1:, :]
    free = (k - 1) * q
    # Boehning's (1992) lower bound of the curvature keeps every step uphill without a line search of its own.
    bound = 0.5 * np.kron(np.eye(k - 1) - 1.0 / k, traits.T @ traits)
    diagonal = np.einsum("...sj,jl,sq,sr->...jqlr", probability[..., 1:], np.eye(k - 1), traits, traits, optimize=True)
    cross = np.einsum(
        "...sj,...sl,sq,sr->...jqlr", probability[..., 1:], probability[..., 1:], traits, traits, optimize=True
    )
    curvature = (diagonal - cross).reshape(*slope.shape[:-2], free, free)
    flat = slope.reshape(*slope.shape[:-2], free, 1)
    ridge = 1e-10 * np.trace(bound) / free * np.eye(free)
    newton = gamma.copy()
    newton[..., 1:, :] += np.linalg.solve(curvature + ridge, flat).reshape(slope.shape)
    safe = gamma.copy()
    safe[..., 1:, :] += np.linalg.solve(bound + ridge, flat).reshape(slope.shape)
    better = (_value(traits, responsibilities, newton)[0] >= value)[..., None, None]
    return np.where(better, newton, safe) / unit


def separated(traits: Floats, gamma: Floats | None) -> bool:
    """Whether traits tell segments apart without error, so that logits have no finite maximum.

    It shows in the information of a logit, sum_i p_i (1 - p_i) z_i^2, against the most there could be, sum_i z_i^2.
    """
    if gamma is None or gamma.shape[0] < 2:
        return False
    probability = _value(traits, np.zeros((traits.shape[0], gamma.shape[0])), gamma)[1]
    squares = np.square(traits)
    informed = np.einsum("sk,sq->kq", probability * (1.0 - probability), squares) / squares.sum(0)
    return bool(informed.min() < 1e-7)


def _value(traits: Floats, responsibilities: Floats, gamma: Floats) -> tuple[Floats, Floats]:
    """Expected log prior membership (...), and the prior memberships (..., store, segment)."""
    scores = traits @ np.swapaxes(gamma, -1, -2)
    scores = scores - scores.max(-1, keepdims=True)
    total = np.log(np.exp(scores).sum(-1, keepdims=True))
    return (responsibilities * (scores - total)).sum((-1, -2)), np.exp(scores - total)
