"""Profile-likelihood intervals: values at which the log-likelihood, with all else at its best, is not yet too low.

An interval holds the values that a likelihood-ratio test does not reject, 2 (max - profile) < chi-squared quantile. It
may end at zero (a standard deviation) or at -1 or 1 (a correlation), where the quantile errs to the safe side (Self &
Liang 1987). Intervals belong to the likelihood; after REML that of the same model is used, as lme4 does.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
from scipy.special import chdtri
from threadpoolctl import threadpool_limits

from em.constrained import OPENED, Held, Setting, climb_with, over_covariances, setting_of, single
from em.errors import InputError
from em.mixed_model import MixedFit, refitted
from em.variance_components import Interval, Kind

EXACT = 1e-7  # of the root of the likelihood ratio at an end
EXPANSIONS = 40  # doublings in search of an end
MOST_SECANTS = 60
OPEN = 1e-9  # a correlation nearer to 1 or -1 than this is perfect

Task = Callable[[], Interval]


def profile_intervals(
    fit: MixedFit,
    *,
    level: float = 0.95,
    kinds: Sequence[Kind] = ("sd", "correlation", "sigma", "mean"),
    watch: Callable[[Sequence[Task]], Iterable[Task]] = iter,
) -> list[Interval]:
    """Profile intervals of standard deviations and correlations between stores, sigma and the means.

    Parameters
    ----------
    level : probability that an interval covers.
    kinds : which to work out.
    watch : passes the profiles on one by one, such as under a progress bar.

    Raises
    ------
    InputError
        When level is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level is {level}; expected a probability between 0 and 1")
    if fit.restricted:
        fit = refitted(fit, fit.random, reml=False)
    drop, q = float(np.sqrt(chdtri(1, 1.0 - level))), len(fit.random)
    with threadpool_limits(1, user_api="blas"):
        setting = setting_of(fit)
        tasks: list[Task] = []
        if "sd" in kinds:
            tasks += [partial(_of_sd, setting, a, drop) for a in range(q)]
        if "correlation" in kinds:
            tasks += [partial(_of_correlation, setting, a, c, drop) for a in range(q) for c in range(a + 1, q)]
        if "sigma" in kinds and fit.sigma_rule == "common":
            tasks.append(partial(_of_sigma, setting, drop))
        if "mean" in kinds:
            tasks += [partial(_of_mean, setting, j, drop) for j in range(len(fit.coefficients))]
        return [profiled() for profiled in watch(tasks)]


def _interval(
    setting: Setting,
    profile: Callable[[float, Held], Held],
    estimate: float,
    step: float,
    limits: tuple[float, float],
    drop: float,
) -> tuple[float, float]:
    """Both ends: where the signed root of the likelihood ratio reaches `drop`, or the limit where it does not."""
    top, p = setting.fit.log_likelihood, setting.fit.parameters
    columns = setting.fit.random_columns
    at_top = Held(top, p.omega[np.ix_(columns, columns)], float(np.log(p.sigma)))
    ends = []
    for sign, limit in zip((-1.0, 1.0), limits, strict=True):
        last = at_top

        def beyond(value: float) -> float:
            # From the last maximum and from that of the whole: a small panel may have a second hump.
            nonlocal last
            starts = [last] if last is at_top else [last, at_top]
            last = max((profile(value, start) for start in starts), key=lambda held: held.value)
            return float(np.sqrt(max(2.0 * (top - last.value), 0.0))) - drop

        if estimate == limit or (np.isfinite(limit) and beyond(limit) <= 0.0):
            ends.append(limit)
            continue
        last, inner, below, size = at_top, estimate, -drop, step
        for _ in range(EXPANSIONS):
            outer = estimate + sign * size
            outer = limit if sign * (outer - limit) >= 0.0 else outer
            above = beyond(outer)
            if above > 0.0 or outer == limit:
                break
            inner, below, size = outer, above, 2.0 * size
        ends.append(_crossing(beyond, (inner, below), (outer, above), EXACT) if above > 0.0 else outer)
    return ends[0], ends[1]


def _crossing(
    function: Callable[[float], float], inside: tuple[float, float], outside: tuple[float, float], exact: float
) -> float:
    """Where a function that is below zero inside and above it outside crosses zero: secants that keep the bracket.

    Where one end stays, its value counts half (the Illinois rule), and where that is slow the bracket is halved.

    Parameters
    ----------
    inside, outside : a place and the function there.
    exact : width of the last bracket, as a share of the first.
    """
    (a, below), (c, above) = inside, outside
    width, stayed = abs(c - a), 0
    for turn in range(MOST_SECANTS):
        if abs(c - a) <= exact * width:
            break
        share = below / (below - above) if turn % 8 < 7 and np.isfinite(above) else 0.5
        place = a + share * (c - a)
        value = function(place)
        if abs(value) < exact:
            return place
        if value < 0.0:
            a, below = place, value
            above, stayed = (0.5 * above, 1) if stayed == 1 else (above, 1)
        else:
            c, above = place, value
            below, stayed = (0.5 * below, -1) if stayed == -1 else (below, -1)
    return 0.5 * (a + c)


def _of_sd(setting: Setting, a: int, drop: float) -> Interval:
    """Profile of the standard deviation of one coefficient between stores."""
    columns = setting.fit.random_columns
    estimate = float(np.sqrt(setting.fit.parameters.omega[columns[a], columns[a]]))
    q = columns.size
    order = [a, *(c for c in range(q) if c != a)]

    def profile(value: float, start: Held) -> Held:
        # L = [[value, 0], [w, K]] with the coefficient first.
        omega = start.omega[np.ix_(order, order)]
        old = np.sqrt(omega[0, 0])
        w = omega[1:, 0] / old if old > 0.0 else np.zeros(q - 1)
        offset = np.zeros((q, q))
        offset[0, 0] = value
        basis, free = [], []
        for c in range(1, q if value > 0.0 else 1):
            basis.append(single(q, c, 0))
            free.append(w[c - 1])
        return climb_with(setting, order, offset, basis, free, omega[1:, 1:] - np.outer(w, w), start)

    step = max(0.2 * estimate, float(np.sqrt(setting.least / OPENED)) * setting.unit[a])
    lower, upper = _interval(setting, profile, estimate, step, (0.0, np.inf), drop)
    return Interval("sd", (setting.fit.random[a],), estimate, lower, upper)


def _of_correlation(setting: Setting, a: int, c: int, drop: float) -> Interval:
    """Profile of the correlation of two coefficients between stores; from -1 to 1 where a variance is zero."""
    columns = setting.fit.random_columns
    omega = setting.fit.parameters.omega[np.ix_(columns, columns)]
    of = setting.fit.random[a], setting.fit.random[c]
    q, sd = columns.size, np.sqrt(np.diagonal(omega))
    if not sd[a] * sd[c] > 0.0:
        return Interval("correlation", of, np.nan, -1.0, 1.0)
    estimate = float(np.clip(omega[a, c] / (sd[a] * sd[c]), -1.0, 1.0))
    if 1.0 - abs(estimate) < OPEN:
        estimate = float(np.sign(estimate))
    order = [a, c, *(other for other in range(q) if other not in (a, c))]

    def profile(value: float, start: Held) -> Held:
        # L = [[s1, 0, 0], [value s2, sqrt(1 - value^2) s2, 0], [w, K]].
        omega = start.omega[np.ix_(order, order)]
        across = float(np.sqrt(max(1.0 - value**2, 0.0)))
        basis = [single(q, 0, 0), value * single(q, 1, 0) + across * single(q, 1, 1)]
        sds = np.maximum(np.sqrt(np.diagonal(omega)[:2]), np.sqrt(setting.least) * setting.unit[order[:2]])
        free = list(sds)
        pair = np.array([[sds[0], 0.0], [value * sds[1], across * sds[1]]])
        w = np.linalg.lstsq(pair, omega[:2, 2:], rcond=1e-6)[0].T
        for other in range(2, q):
            for column in range(2 if across > 0.0 else 1):
                basis.append(single(q, other, column))
                free.append(w[other - 2, column])
        return climb_with(setting, order, np.zeros((q, q)), basis, free, omega[2:, 2:] - w @ w.T, start, positive=2)

    lower, upper = _interval(setting, profile, estimate, 0.1, (-1.0, 1.0), drop)
    return Interval("correlation", of, estimate, lower, upper)


def _of_sigma(setting: Setting, drop: float) -> Interval:
    """Profile of the residual standard deviation, on the logarithmic scale."""
    estimate = float(np.log(setting.fit.parameters.sigma))

    def profile(value: float, start: Held) -> Held:
        part = setting.fit.summit.part._replace(log_sigma=value)
        return over_covariances(setting, part, start)

    step = float(1.0 / np.sqrt(setting.fit.statistics.n.sum()))
    lower, upper = _interval(setting, profile, estimate, step, (-np.inf, np.inf), drop)
    return Interval("sigma", (), setting.fit.parameters.sigma, float(np.exp(lower)), float(np.exp(upper)))


def _of_mean(setting: Setting, j: int, drop: float) -> Interval:
    """Profile of one of the means."""
    estimate, row = float(setting.fit.parameters.mu[j]), setting.fit.back[j]
    across = np.linalg.svd(row[None])[2][1:].T

    def profile(value: float, start: Held) -> Held:
        part = setting.fit.summit.part._replace(mean_offset=value * row / (row @ row), mean_basis=across)
        return over_covariances(setting, part, start)

    step = float(setting.fit.standard_errors[j])
    lower, upper = _interval(setting, profile, estimate, step, (-np.inf, np.inf), drop)
    return Interval("mean", (setting.fit.coefficients[j],), estimate, lower, upper)
