"""Claims about contenders, simulated: how often they are wrong, and how often they are made."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from hyperllama.core.experiments.figures.claims import PairClaim, pair_claim, pairs_of


def claims(scores: np.ndarray) -> list[PairClaim]:
    """Of all pairs. scores: shape (contenders, tasks, seeds)."""
    return [
        pair_claim((scores[a] - scores[b]).tolist(), pairs_of(len(scores)))
        for a, b in combinations(range(len(scores)), 2)
    ]


def drawn(kind: str, rng: np.random.Generator, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Scores of equal contenders, shape (comparisons, contenders, tasks, seeds)."""
    if kind == "ties":  # every second cell ends with the same score
        return np.where(rng.random(shape) < 0.5, 0.0, rng.standard_normal(shape))
    if kind == "few values":
        return rng.integers(0, 2, shape).astype(float)
    scores = rng.standard_normal(shape)
    if kind == "unlike tasks":
        scores *= np.exp(1.2 * rng.standard_normal((shape[0], 1, shape[2], 1)))
    if kind == "unlike contenders":
        scores *= np.exp(rng.standard_normal((shape[0], shape[1], 1, 1)))
    return scores


@pytest.mark.parametrize(
    "kind", ["normal", "ties", "few values", "unlike tasks", "unlike contenders"]
)
def test_at_most_one_of_20_comparisons_without_a_difference_claims_one(kind: str) -> None:
    rng = np.random.default_rng(0)
    wrong: list[float] = []
    for contenders, tasks, seeds, times in (
        (2, 1, 3, 400), (2, 10, 3, 200), (2, 5, 10, 200), (4, 1, 3, 200), (4, 3, 5, 100),
        (8, 1, 3, 100), (8, 1, 10, 100), (8, 5, 3, 60), (8, 10, 3, 60),
    ):  # fmt: skip
        found = [
            any(c.verdict in ("better", "worse") for c in claims(scores))
            for scores in drawn(kind, rng, (times, contenders, tasks, seeds))
        ]
        wrong.append(sum(found))
        allowed = 0.05 * times + 2.6 * (0.05 * 0.95 * times) ** 0.5  # 1 of 200 such tests
        assert sum(found) <= allowed, (contenders, tasks, seeds)
    assert sum(wrong) <= 0.05 * 1420  # over all sizes together it is below


def test_picking_the_best_first_and_testing_it_alone_claims_far_more() -> None:
    """What the correction is for: 5 contenders, the best against each other one at 5 %."""
    rng = np.random.default_rng(0)
    wrong = 0
    for scores in rng.standard_normal((200, 5, 1, 5)):
        best = int(scores.mean((1, 2)).argmax())
        alone = [pair_claim((scores[best] - s).tolist(), 1) for s in np.delete(scores, best, 0)]
        wrong += any(c.verdict == "better" for c in alone)
    assert wrong > 0.15 * 200


def test_a_difference_of_one_standard_deviation_is_found() -> None:
    rng = np.random.default_rng(0)
    found, elsewhere = 0, 0
    for scores in rng.standard_normal((300, 2, 5, 5)):
        scores[0] += 1.0
        (claim,) = claims(scores)
        found += claim.verdict == "better"
        elsewhere += claim.elsewhere
    assert found >= 0.85 * 300 and elsewhere >= 0.65 * 300


def test_tasks_that_disagree_are_no_evidence_for_other_tasks() -> None:
    """On these tasks the one is better; drawn anew, the tasks would turn it round."""
    rng = np.random.default_rng(0)
    wrong = 0
    for scores in rng.standard_normal((300, 2, 5, 5)) + rng.normal(0, 3, (300, 2, 5, 1)):
        wrong += claims(scores)[0].elsewhere
    assert wrong <= 0.05 * 300 + 2.6 * (0.05 * 0.95 * 300) ** 0.5


def test_ties_are_ties() -> None:
    assert pair_claim([[0.0, 0.0], [0.0]], 1) == PairClaim(0.0, 0.0, 0.0, "tie")


def test_too_few_seeds_are_no_ground_for_a_claim() -> None:
    assert pair_claim([[0.5]], 1) == PairClaim(0.5, None, None, "open")
    assert pair_claim([[0.5, 0.51]], 1).verdict == "better"
    assert pair_claim([[0.5, 0.52]], 6).verdict == "open"
    alike = pair_claim([[0.1, 0.1, 0.1]], 1)  # may agree by chance
    assert (alike.verdict, alike.seeds_needed) == ("open", 6)
    assert pair_claim([[0.1] * 6], 1).verdict == "better"
    assert pair_claim([[0.1], [0.11], [0.12]], 1).elsewhere  # one seed of each of three tasks


def test_the_seeds_that_would_be_needed_find_it_in_most_cases() -> None:
    rng = np.random.default_rng(3)
    told = pair_claim([(0.5 + np.array([1.0, -1.0, 0.3, -0.3, 0.9, -0.9])).tolist()], 3)
    assert told.verdict == "open" and told.seeds_needed is not None
    again = rng.normal(0.5, 0.872, (200, told.seeds_needed))  # as they spread there
    found = sum(pair_claim([s.tolist()], 3).verdict == "better" for s in again)
    assert 0.7 * 200 <= found <= 0.9 * 200
    assert pair_claim([[1.0, -1.0 + 1e-6]], 1).needed_words.startswith("more than 1,000 seeds")
    assert told.needed_words.startswith(f"about {told.seeds_needed} seeds")
