"""Loads made up for tests: a daily and weekly shape, sun, noise."""

import numpy as np

from ampacity.forecasting import LoadHistory, Weather
from ampacity.timegrid import Window

FIRST = 19_000 * 96


def made_up(*, elements=2, days=42, ahead=3, noise=0.05, seed=0):
    """Load in W over days + ahead days (E, 3, T), and its weather with one cell."""
    rng = np.random.default_rng(seed)
    count = (days + ahead) * 96
    at = np.arange(count)
    sun = np.maximum(0, -np.cos(2 * np.pi * at / 96)) * rng.uniform(0.2, 1, days + ahead).repeat(96) * 800
    temperature = 10 + 6 * np.sin(2 * np.pi * at / (96 * 30)) - 4 * np.cos(2 * np.pi * at / 96)
    size = rng.uniform(5e3, 5e4, (elements, 3, 1))
    shape = 2 - np.cos(2 * np.pi * (at - 24) / 96) - rng.uniform(0, 1, (elements, 3, 1)) * sun / 800
    load_w = size * (shape + noise * rng.standard_normal((elements, 3, count)))
    weather = Weather(
        window=Window(FIRST, count),
        latitude=np.array([52.0]),
        longitude=np.array([5.0]),
        temperature_c=temperature[None],
        global_radiation_w_m2=sun[None],
        wind_speed_m_s=np.abs(rng.normal(5, 2, (1, count))),
        perfect=True,
    )
    return load_w.astype(np.float32), weather


def history(load_w, *, until, since=0):
    return LoadHistory(window=Window(FIRST + since, until - since), load_w=load_w[:, :, since:until])
