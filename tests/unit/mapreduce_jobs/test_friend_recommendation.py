"""Recommendations, compared with brute force over all triples of users."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.social_graph import friendships
from mapreduce.testing import run
from mapreduce_jobs.friend_recommendation import FriendRecommendation


def brute_force(friends: dict[int, set[int]], most: int) -> dict[int, list[int]]:
    """Return for each user all others, by the number of common friends."""
    answer = {}
    for user, own in friends.items():
        common = {
            other: len(own & theirs)
            for other, theirs in friends.items()
            if other != user and other not in own
        }
        ranked = sorted(
            (other for other, count in common.items() if count),
            key=lambda other: (-common[other], other),
        )
        answer[user] = ranked[:most]
    return answer


def lines_of(friends: dict[int, set[int]]) -> list[str]:
    """Return a line for each user."""
    return [f"{user}\t{','.join(map(str, theirs))}" for user, theirs in friends.items()]


@settings(max_examples=30, deadline=None)
@given(
    links=st.sets(
        st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda link: link[0] < link[1])
    ),
    users=st.permutations(range(13)),
    splits=st.integers(1, 5),
    most=st.integers(1, 4),
)
def test_any_graph(links: set[tuple[int, int]], users: list[int], splits: int, most: int) -> None:
    """Recommendations equal brute force on any graph, also for users without friends, in any order
    of lines.
    """
    friends: dict[int, set[int]] = {user: set() for user in users}
    for one, other in links:
        friends[one].add(other)
        friends[other].add(one)
    answer = run(FriendRecommendation(most=most), lines_of(friends), splits=splits)
    assert brute_force(friends, most) == dict(answer.pairs)


def test_a_heavy_tailed_graph_with_little_memory() -> None:
    """Recommendations are right for users with very many friends, and with several spills."""
    friends = dict(enumerate(friendships(users=600, friends=12, seed=3)))
    assert max(map(len, friends.values())) > 60
    answer = run(
        FriendRecommendation(), lines_of(friends), splits=4, partitions=3, memory_bytes=256 << 10
    )
    assert brute_force(friends, 10) == dict(answer.pairs)


def test_numbers_are_numbers() -> None:
    """Ties ascend as numbers, 64 bits are exact, and keys are numbers."""
    big = 2**63 - 1
    friends = {1: {10, 9, -5, big}, 10: {1}, 9: {1}, -5: {1}, big: {1}}
    answer = run(FriendRecommendation(), lines_of(friends))
    assert answer[10] == [-5, 9, big]
    assert {1, 10, 9, -5, big} == {key for key, _ in answer.pairs}


def test_malformed_lines() -> None:
    """Missing tabs, carriage returns, and a user's own or repeated names are accepted; malformed
    lines are counted.
    """
    lines = [
        "1\t2,3,3,1\r",
        "2\t1\r",
        "3\t1\r",
        "4",
        "5\t",
        "6\t \r",
        "",
        "x\t1",
        "7\t1;2",
        "8\t1,",
    ]
    answer = run(FriendRecommendation(), lines, splits=3)
    assert {1: [], 2: [3], 3: [2], 4: [], 5: [], 6: []} == dict(answer.pairs)
    assert answer.counters == {"malformed": 4}


def test_nothing() -> None:
    """Without users there is no result."""
    assert [] == run(FriendRecommendation(), []).pairs
