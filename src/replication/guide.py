"""Where the next trial of a search promises most: Bayesian optimisation by a Gaussian process and expected improvement.

Source: Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions, Journal of Global
Optimization 13, 1998. The Gaussian process is scikit-learn's.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from replication.ranges import Range, at, near, place

FAR, WIDTHS = 512, (0.1, 0.03)  # candidates over the whole ranges; half as many each are so near to the best trial
WORST = 0.6  # quantile of the scores that stands for all above it: how bad a trial is tells nothing of the best ones


def propose(ranges: dict[str, Range], tried: Sequence[dict], scores: Sequence[float | None]) -> dict:
    """The settings with the largest expected improvement on the smallest of the `scores`.

    tried: settings, at least one of them with a score; scores: to be small, None for a trial that diverged. The
    candidates are points of Sobol sequences, over the ranges and around the best trial. The same arguments give the
    same settings.
    """
    from scipy.stats import norm, qmc  # imported late, as what follows: together they take seconds
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    known = np.array([np.nan if score is None else score for score in scores])
    values = np.fmin(np.where(np.isnan(known), np.inf, known), np.nanquantile(known, WORST))
    values = (values - values.mean()) / (values.std() or 1.0)
    best = tried[int(np.nanargmin(known))]
    names = sorted(ranges)
    shares = qmc.Sobol(len(names), rng=len(tried)).random(FAR).tolist()
    points = [dict(zip(names, point, strict=True)) for point in shares]
    candidates = [{name: at(ranges[name], share) for name, share in point.items()} for point in points]
    for width in WIDTHS:
        for point in points[: FAR // 2]:
            candidates.append({name: near(ranges[name], best[name], width, share) for name, share in point.items()})
    candidates = [candidate for candidate in candidates if candidate not in tried]

    def places(every: Sequence[dict]) -> np.ndarray:
        return np.array([[place(ranges[name], settings[name]) for name in names] for settings in every])

    kernel = ConstantKernel() * Matern(np.full(len(names), 0.3), (0.05, 10.0), nu=2.5) + WhiteKernel(1e-3, (1e-5, 0.1))
    with warnings.catch_warnings(action="ignore"):  # a length at the end of its bounds is as good as any
        model = GaussianProcessRegressor(kernel, random_state=0).fit(places(tried), values)
    mean, deviation = model.predict(places(candidates), return_std=True)
    gain = values.min() - mean
    deviation = np.maximum(deviation, 1e-12)
    expected = gain * norm.cdf(gain / deviation) + deviation * norm.pdf(gain / deviation)
    return candidates[int(np.argmax(expected))]
