"""Search spaces: scales, bounds, conditions, frozen values, and what people change in them."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from hyperllama.core.errors import SpaceError
from hyperllama.core.space import (
    Categorical,
    Condition,
    Float,
    Integer,
    Param,
    Ranges,
    SearchSpace,
)

LOG = Float(1e-4, 1.0, log=True)
SPACE = SearchSpace([
    Param("model", Categorical(("svm", "tree")), "svm"),
    Param("kernel", Categorical(("rbf", "poly")), "rbf", when=Condition("model", ("svm",))),
    Param("degree", Integer(2, 5), 3, when=Condition("kernel", ("poly",))),
    Param("leaf", Integer(1, 64, log=True), 1, when=Condition("model", ("tree",))),
    Param("rate", LOG, 0.1),
])


def test_a_logarithmic_scale_gives_every_decade_the_same_share() -> None:
    assert [LOG.to_unit(10.0**-k) for k in range(5)] == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert LOG.from_unit(0.5) == pytest.approx(0.01)
    assert Float(0.0, 10.0).from_unit(0.25) == 2.5 and Float(0.0, 10.0).to_unit(2.5) == 0.25


@pytest.mark.parametrize("domain", [Integer(1, 4), Categorical(("a", "b", "c", None))])
def test_whole_numbers_and_choices_have_equal_shares(domain: Integer | Categorical) -> None:
    drawn = [domain.from_unit(u) for u in np.linspace(0.001, 0.999, 400)]
    counts = [drawn.count(v) for v in dict.fromkeys(drawn)]
    assert len(counts) == 4 and max(counts) - min(counts) <= 2
    assert all(domain.from_unit(domain.to_unit(v)) == v for v in drawn[::100])


def test_bounds_belong_to_the_range_and_what_lies_beyond_is_moved_to_them() -> None:
    whole, real = Integer(1, 9), Float(0.5, 1.5)
    assert whole.contains(1) and whole.contains(9) and not whole.contains(10)
    assert real.contains(1.5) and not real.contains(1.51) and not real.contains(True)
    assert (whole.cast(99), whole.cast(-9), real.cast(9.0), real.cast(0)) == (9, 1, 1.5, 0.5)


def test_steps_hold_for_every_value() -> None:
    assert {Integer(1, 9, step=4).from_unit(u) for u in np.linspace(0, 1, 50)} == {1, 5, 9}
    values = {Float(0.0, 1.0, step=0.25).from_unit(u) for u in np.linspace(0, 1, 50)}
    assert values == {0.0, 0.25, 0.5, 0.75, 1.0}


def test_true_is_no_number() -> None:
    both = Categorical((1, True, "1"))
    assert [both.index(v) for v in (1, 1.0, True, "1")] == [0, 0, 1, 2]


@pytest.mark.parametrize("make", [
    lambda: Float(1.0, 0.0), lambda: Float(0.0, 1.0, log=True), lambda: Integer(1, 9, step=0),
    lambda: Categorical(()), lambda: Categorical(("a", "a")), lambda: Float(0.0, float("inf")),
])
def test_what_is_no_domain_is_refused(make: object) -> None:
    with pytest.raises(SpaceError):
        make()  # type: ignore[operator]


def test_only_what_counts_is_in_a_configuration() -> None:
    assert SPACE.default() == {"model": "svm", "kernel": "rbf", "rate": 0.1}
    tree = SPACE.complete({"model": "tree", "kernel": "poly"})
    assert tree == {"model": "tree", "leaf": 1, "rate": 0.1}
    assert not SPACE.is_active("degree", {"model": "tree", "kernel": "poly"})
    rng = np.random.default_rng(0)
    drawn = [SPACE.sample(rng) for _ in range(50)]
    assert all(SPACE.contains(c) for c in drawn) and any("degree" in c for c in drawn)


@pytest.mark.parametrize(("change", "message"), [
    ({"rate": 2.0}, "rate = 2.0 is outside"), ({"leaf": 3}, "leaf has no effect"),
    ({"depth": 3}, "unknown hyperparameter"), ({"model": "knn"}, "model = 'knn' is outside"),
])
def test_what_lies_outside_is_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        SPACE.validate({**SPACE.default(), **change})
    with pytest.raises(SpaceError, match="rate is missing"):
        SPACE.validate({"model": "svm", "kernel": "rbf"})


def test_frozen_values_are_never_drawn_and_have_no_axis() -> None:
    frozen = SPACE.freeze("rate", 0.02).freeze("leaf", 7)
    assert [p.name for p in frozen.free] == ["model", "kernel", "degree"]
    rng = np.random.default_rng(0)
    drawn = [frozen.sample(rng) for _ in range(20)]
    assert {c["rate"] for c in drawn} == {0.02} and {c.get("leaf") for c in drawn} == {None, 7}
    with pytest.raises(SpaceError, match="outside"):
        SPACE.freeze("rate", 3.0)


def test_coordinates_lead_back_and_what_does_not_count_is_in_the_middle() -> None:
    config = {"model": "svm", "kernel": "poly", "degree": 4, "rate": 0.01}
    u = SPACE.to_unit(config)
    assert u[3] == 0.5 and u[4] == pytest.approx(0.5)
    assert SPACE.from_unit(u) == pytest.approx(config)


def test_the_default_is_moved_into_its_range() -> None:
    assert Param("x", Float(0.0, 1.0), 5.0).start == 1.0
    assert Param("x", Float(0.0, 1.0)).start == 0.5
    assert Param("x", Categorical(("a", "b")), "c").start == "a"


def test_configurations_are_the_same_to_six_digits() -> None:
    base = SPACE.default()
    near, far = {**base, "rate": 0.1 + 1e-9}, {**base, "rate": 0.1001}
    assert SPACE.key(base) == SPACE.key(near) != SPACE.key(far)


def test_optuna_and_back() -> None:
    space = SearchSpace([
        Param("a", LOG), Param("b", Integer(1, 9, step=2)), Param("c", Categorical((None, 1))),
    ])
    made = space.to_distributions()
    assert made["a"] == FloatDistribution(1e-4, 1.0, log=True)
    assert made["b"] == IntDistribution(1, 9, step=2)
    assert SearchSpace.from_distributions(made) == space


def test_conditions_follow_what_their_parent_can_still_be() -> None:
    changed = SPACE.with_domains({"kernel": Categorical(("rbf",)), "model": Categorical(("svm",))})
    assert changed.names == ("model", "kernel", "rate")
    wide = SearchSpace([
        Param("a", Categorical((1, 2, 3)), 1),
        Param("b", Integer(1, 2), 1, when=Condition("a", (1, 2))),
    ])
    narrow = wide.with_domains({"a": Categorical((2, 3))})
    assert narrow["b"].when == Condition("a", (2,))


def test_changes_of_people_add_up_and_are_taken_back_one_by_one() -> None:
    ranges = Ranges(SPACE).limit("rate", 0.01, None).freeze("leaf", 7)
    assert ranges.kept == {"rate": {"low": 0.01, "high": 1.0}, "leaf": {"low": 7, "high": 7}}
    assert ranges.space["rate"].domain == Float(0.01, 1.0, log=True)
    assert Ranges(SPACE, ranges.kept).space == ranges.space
    assert ranges.release("rate").kept == {"leaf": {"low": 7, "high": 7}}
    one = SearchSpace([Param("x", Float(0.0, 1.0))])
    with pytest.raises(SpaceError, match="would be frozen"):
        Ranges(one).freeze("x", 0.5)
