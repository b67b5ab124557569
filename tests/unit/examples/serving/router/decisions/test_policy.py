"""Which replica answers, and what each policy makes of a slow one."""

from __future__ import annotations

import heapq
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.serving.router.decisions.policy import POLICIES, Chance, PolicyName

CHANCES = st.builds(
    Chance,
    turn=st.integers(0, 10**9),
    first=st.floats(0, 1, exclude_max=True),
    second=st.floats(0, 1, exclude_max=True),
)
LOADS = st.lists(st.integers(0, 50), min_size=1, max_size=12)


@given(LOADS, CHANCES, st.sampled_from(list(POLICIES)))
def test_every_policy_names_a_replica(loads: list[int], chance: Chance, name: PolicyName) -> None:
    """A choice is an index of the list."""
    assert 0 <= POLICIES[name](loads, chance) < len(loads)


@given(LOADS, CHANCES)
def test_least_takes_the_fewest_in_flight(loads: list[int], chance: Chance) -> None:
    """No replica has fewer requests in flight than the chosen one."""
    assert loads[POLICIES["least"](loads, chance)] == min(loads)


def test_least_shares_equal_loads_by_chance() -> None:
    """Replicas with equal loads get equal shares, also those at the end of the list."""
    draws = random.Random(1)
    chosen = Counter(
        POLICIES["least"]([2, 0, 0, 3, 0], Chance(0, draws.random(), 0)) for _ in range(3000)
    )
    assert {1, 2, 4} == set(chosen)
    assert all(900 < count < 1100 for count in chosen.values())


@given(st.lists(st.integers(0, 50), min_size=2, max_size=12, unique=True), CHANCES)
def test_two_choices_never_takes_the_fullest(loads: list[int], chance: Chance) -> None:
    """Of two different replicas the fuller one is not chosen, so the fullest of all never is."""
    assert loads[POLICIES["two-choices"](loads, chance)] < max(loads)


def test_two_choices_compares_every_pair() -> None:
    """Over the whole square of chance, each pair of replicas is drawn equally often."""
    steps = [(one + 0.5) / 12 for one in range(12)]
    chosen = Counter(
        POLICIES["two-choices"]([0, 1, 2, 3], Chance(0, one, two)) for one in steps for two in steps
    )
    # of the 6 pairs the emptiest replica wins 3, the next one 2, then 1, then none
    assert {0: 72, 1: 48, 2: 24} == chosen


def test_round_robin_goes_around() -> None:
    """Each replica has its turn, whatever the loads."""
    assert [0, 1, 2, 0, 1] == [
        POLICIES["round-robin"]([9, 0, 0], Chance(turn, 0.9, 0.9)) for turn in range(5)
    ]


def _p99(policy: PolicyName, speeds: tuple[float, ...], requests: int, seed: int) -> float:
    """Return the 99th percentile of the time in the system, in mean service times of a fast
    replica: Poisson arrivals at 60 % of the whole capacity, exponential service, first come first
    served.
    """
    draws = random.Random(seed)
    rate = 0.6 * sum(speeds)
    loads = [0] * len(speeds)
    free_at = [0.0] * len(speeds)
    departures: list[tuple[float, int]] = []
    times, now = [], 0.0
    for turn in range(requests):
        now += draws.expovariate(rate)
        while departures and departures[0][0] <= now:
            loads[heapq.heappop(departures)[1]] -= 1
        chosen = POLICIES[policy](loads, Chance(turn, draws.random(), draws.random()))
        start = max(now, free_at[chosen])
        free_at[chosen] = start + draws.expovariate(speeds[chosen])
        loads[chosen] += 1
        heapq.heappush(departures, (free_at[chosen], chosen))
        times.append(free_at[chosen] - now)
    return sorted(times)[int(0.99 * requests)]


@pytest.mark.parametrize(
    ("policy", "speeds", "expected"),
    [
        # random is M/M/1 at 60 %: its time is exponential with mean 1 / 0.4, so ln(100) / 0.4
        ("random", (1.0,) * 6, 11.5),
        ("round-robin", (1.0,) * 6, 7.0),
        ("two-choices", (1.0,) * 6, 6.2),
        ("least", (1.0,) * 6, 5.6),
        ("two-choices", (1.0,) * 5 + (0.2,), 20.0),
        ("least", (1.0,) * 5 + (0.2,), 12.0),
        ("two-choices", (1.0, 1.0, 0.2), 27.0),
        ("least", (1.0, 1.0, 0.2), 23.0),
    ],
)
def test_the_tail_of_each_policy(
    policy: PolicyName, speeds: tuple[float, ...], expected: float
) -> None:
    """The p99 in a simulated queue is that of the table in the README, within a tenth or so."""
    assert _p99(policy, speeds, 40_000, seed=18) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("policy", ["random", "round-robin"])
@pytest.mark.parametrize("speeds", [(1.0,) * 5 + (0.2,), (1.0, 1.0, 0.2)])
def test_without_a_look_at_the_load_a_slow_replica_s_queue_grows_without_end(
    policy: PolicyName, speeds: tuple[float, ...]
) -> None:
    """Twice the requests, twice the tail: the slow replica gets more than it can do."""
    short, long = (_p99(policy, speeds, count, seed=18) for count in (10_000, 20_000))
    assert long > 1.7 * short
    assert short > 20 * _p99("least", speeds, 10_000, seed=18)
