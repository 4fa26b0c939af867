"""Makes the tables of the sample tasks: `python sample_tasks/make_data.py [FOLDER]`.

Three come with scikit-learn; three are drawn from our own seeded rules, written to look like what
comes out of a hospital's, a factory's and a utility's systems, empty cells and all.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator


def write(folder: Path, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """One CSV; floats to six significant digits, None as an empty cell."""
    with (folder / name).open("w", newline="", encoding="utf-8") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(header)
        out.writerows(
            ["" if c is None else f"{c:.6g}" if isinstance(c, float) else c for c in row]
            for row in rows
        )


def breast_cancer(folder: Path) -> None:
    """Diagnosis of 569 tumours from 30 measurements of cell nuclei (scikit-learn)."""
    from sklearn.datasets import load_breast_cancer

    d = load_breast_cancer()
    header = [n.replace(" ", "_") for n in d.feature_names] + ["diagnosis"]
    names = d.target_names[d.target]
    write(folder, "breast_cancer.csv", header,
          ([*map(float, x), str(y)] for x, y in zip(d.data, names, strict=True)))


def digits(folder: Path) -> None:
    """1,797 handwritten digits of 8 x 8 pixels (scikit-learn)."""
    from sklearn.datasets import load_digits

    d = load_digits()
    header = [f"pixel_{i // 8}_{i % 8}" for i in range(64)] + ["digit"]
    write(folder, "digits.csv", header,
          ([*map(int, x), int(y)] for x, y in zip(d.data, d.target, strict=True)))


def diabetes(folder: Path) -> None:
    """Progression of diabetes after a year in 442 patients (scikit-learn), in units measured."""
    from sklearn.datasets import load_diabetes

    d = load_diabetes(scaled=False)
    header = ["age", "sex", "bmi", "blood_pressure", "total_cholesterol", "ldl", "hdl",
              "cholesterol_ratio", "log_triglycerides", "blood_sugar", "progression"]
    write(folder, "diabetes.csv", header,
          ([*map(float, x), float(y)] for x, y in zip(d.data, d.target, strict=True)))


def chance(score: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Probabilities with the given mean, rising with `score`."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = float(np.mean(1 / (1 + np.exp(-(score + middle)))))
        low, high = (middle, high) if mean < rate else (low, middle)
    return np.asarray(1 / (1 + np.exp(-(score + low))))


def readmission(folder: Path) -> None:
    """3,600 hospital stays of about 2,200 patients; one in nine is back within 30 days.

    Strings, booleans, a date, empty cells that tell something (a test is not ordered for everyone),
    a row number, a constant column, and patients who come again.
    """
    rng = np.random.default_rng(20240)
    n = 3600
    patient = np.sort(rng.integers(10_000, 13_200, n))
    _, index = np.unique(patient, return_inverse=True)
    people = int(index.max()) + 1
    frailty = rng.normal(0, 0.8, people)[index]
    age = np.clip(rng.normal(64, 16, people)[index] + 4 * frailty, 18, 99).round()
    sex = rng.choice(["female", "male"], people)[index]
    route = rng.choice(["emergency", "planned", "referral", "transfer"], n,
                       p=[0.52, 0.27, 0.15, 0.06])
    wards = ["medicine", "surgery", "cardiology", "pneumology", "geriatrics", "neurology"]
    ward = rng.choice(wards, n, p=[0.3, 0.24, 0.17, 0.12, 0.1, 0.07])
    codes = ["I50", "J44", "I21", "K80", "S72", "N39", "E11", "I63", "J18", "Z51"]
    diagnosis = rng.choice(codes, n)
    days = np.maximum(1, np.exp(rng.normal(1.4, 0.7, n) + 0.15 * frailty)).round()
    earlier = rng.poisson(np.exp(-0.6 + 0.5 * frailty))
    medicines = rng.poisson(np.exp(1.6 + 0.15 * frailty + 0.004 * (age - 64)))
    crp = np.exp(rng.normal(2.2, 1.1, n) + 0.2 * frailty)
    hba1c = np.clip(rng.normal(6.1, 1.1, n) + 0.8 * (diagnosis == "E11"), 4, 14)
    creatinine = np.exp(rng.normal(0.0, 0.35, n) + 0.1 * frailty)
    alone = rng.random(people)[index] < 0.25 + 0.003 * (age - 50)
    where = ["home", "home with care", "nursing home", "rehabilitation", "own wish"]
    discharge = rng.choice(where, n, p=[0.62, 0.16, 0.08, 0.11, 0.03])
    day = rng.integers(0, 730, n)
    score = (
        1.0 * frailty + 0.5 * np.log1p(earlier) * (1 + (route == "emergency"))
        + 0.9 * (diagnosis == "I50") + 0.7 * (diagnosis == "J44") + 0.25 * np.log(crp)
        + 0.9 * np.maximum(creatinine - 1.4, 0) + 1.1 * (discharge == "own wish")
        + 0.8 * alone * (age > 72) - 0.5 * (route == "planned") + 0.05 * np.abs(days - 6)
        + 0.04 * np.maximum(medicines - 8, 0)
    )
    back = rng.random(n) < chance(1.5 * score, 0.11)
    no_hba1c = rng.random(n) < np.where(diagnosis == "E11", 0.1, 0.72)
    no_crp = rng.random(n) < np.where(route == "planned", 0.4, 0.06)
    no_bmi = rng.random(n) < 0.12
    bmi = np.clip(rng.normal(27, 5, n), 14, 55)
    start = date(2022, 1, 1)
    write(
        folder, "readmission.csv",
        ["stay", "hospital", "patient_id", "admitted", "age", "sex", "route", "ward", "diagnosis",
         "days_in_hospital", "stays_last_year", "medicines", "crp_mg_l", "hba1c_percent",
         "creatinine_mg_dl", "bmi", "lives_alone", "discharged_to", "back_within_30_days"],
        ([100_001 + i, "St. Anna", int(patient[i]), (start + timedelta(int(day[i]))).isoformat(),
          int(age[i]), sex[i], route[i], ward[i], diagnosis[i], int(days[i]), int(earlier[i]),
          int(medicines[i]), None if no_crp[i] else float(crp[i].round(1)),
          None if no_hba1c[i] else float(hba1c[i].round(1)), float(creatinine[i].round(2)),
          None if no_bmi[i] else float(bmi[i].round(1)),
          None if rng.random() < 0.05 else "yes" if alone[i] else "no", discharge[i],
          "yes" if back[i] else "no"] for i in range(n)),
    )


def machine_fault(folder: Path) -> None:
    """1,500 checks of machines: ok, wear, or overheating, from sensors, some of which drop out."""
    rng = np.random.default_rng(20241)
    n = 1500
    model = rng.choice(["A3", "A5", "B1", "B2", "C7"], n, p=[0.3, 0.25, 0.2, 0.15, 0.1])
    hours = rng.gamma(2.0, 900, n)
    load = np.clip(rng.normal(0.62, 0.18, n), 0.05, 1.1)
    speed = rng.normal(1480, 60, n) - 90 * (model == "C7")
    room = rng.normal(22, 5, n)
    wear = hours / 3200 + 0.5 * load + rng.normal(0, 0.25, n) + 0.25 * (model == "B2")
    vibration = np.exp(0.5 * wear + rng.normal(0, 0.25, n) + 0.0015 * np.abs(speed - 1500))
    current = 40 * load + 3 * wear + rng.normal(0, 2, n)
    heat = room + 45 * load**2 + 6 * wear + rng.normal(0, 3, n)
    oil = np.clip(1.0 - 0.25 * wear + rng.normal(0, 0.15, n), 0, 1.2)
    hot = heat + rng.normal(0, 3, n) > 61
    worn = wear + 0.1 * vibration + rng.normal(0, 0.12, n) > 1.4
    state = np.where(hot, "overheating", np.where(worn, "wear", "ok"))
    out = rng.random((n, 4)) < [0.02, 0.08, 0.03, 0.05]
    write(
        folder, "machine_fault.csv",
        ["model", "operating_hours", "load_share", "speed_rpm", "room_c", "vibration_mm_s",
         "current_a", "housing_c", "oil_quality", "state"],
        ([model[i], int(hours[i]), float(load[i].round(3)), float(speed[i].round(0)),
          float(room[i].round(1)), None if out[i, 0] else float(vibration[i].round(2)),
          None if out[i, 1] else float(current[i].round(1)),
          None if out[i, 2] else float((heat[i] + rng.normal(0, 1.5)).round(1)),
          None if out[i, 3] else float(oil[i].round(2)), state[i]] for i in range(n)),
    )


def energy_demand(folder: Path) -> None:
    """Three years of a town's daily demand of electricity, in the order of time."""
    rng = np.random.default_rng(20242)
    n = 1096
    days = np.arange(n)
    start = date(2021, 1, 1)
    dates = [start + timedelta(int(d)) for d in days]
    weekday = np.array([d.weekday() for d in dates])
    season = np.cos(2 * np.pi * (days - 15) / 365.25)
    weather = np.zeros(n)
    for i in range(1, n):
        weather[i] = 0.8 * weather[i - 1] + rng.normal(0, 1.9)
    temperature = 10 - 9.5 * season + weather
    wind = np.exp(rng.normal(1.3, 0.45, n) + 0.15 * season)
    sun = np.clip(8 - 5 * season + rng.normal(0, 2.5, n), 0, 16)
    holiday = np.array([(d.month, d.day) in {(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)}
                        for d in dates]) | (rng.random(n) < 0.015)
    works = np.where(weekday < 5, 1.0, np.where(weekday == 5, 0.55, 0.35))
    works = works * np.where(holiday, 0.4, 1)
    price = 90 + 25 * season - 2.5 * sun + 0.01 * days + rng.normal(0, 9, n)
    demand = (410 + 120 * works + 6.0 * np.maximum(15 - temperature, 0)
              + 9.0 * np.maximum(temperature - 22, 0) * works + 0.03 * days - 1.2 * sun
              + 0.8 * wind * (temperature < 8) - 0.25 * np.maximum(price - 110, 0))
    demand = demand + rng.normal(0, 9, n)
    yesterday = np.concatenate([[np.nan], demand[:-1]])
    last_week = np.concatenate([np.full(7, np.nan), demand[:-7]])
    write(
        folder, "energy_demand.csv",
        ["date", "temperature_c", "wind_m_s", "sunshine_h", "holiday", "price_eur_mwh",
         "demand_yesterday_mwh", "demand_last_week_mwh", "demand_mwh"],
        ([dates[i].isoformat(), float(temperature[i].round(1)), float(wind[i].round(1)),
          float(sun[i].round(1)), "yes" if holiday[i] else "no", float(price[i].round(1)),
          None if np.isnan(yesterday[i]) else float(yesterday[i].round(1)),
          None if np.isnan(last_week[i]) else float(last_week[i].round(1)),
          float(demand[i].round(1))] for i in range(n)),
    )


TABLES = (breast_cancer, digits, diabetes, readmission, machine_fault, energy_demand)

if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data"
    where.mkdir(parents=True, exist_ok=True)
    for make in TABLES:
        make(where)
