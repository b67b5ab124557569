"""Generate a social network: `python -m bench.social_graph --users 50000 --output FILE`.

Lines `user<TAB>friend,friend,...`; each friendship is in both lines. The number of friends is
heavy-tailed, as among people: a user with many friends is likelier to get new ones (preferential
attachment, Barabasi and Albert 1999). A few users have none. Equal arguments give equal bytes
everywhere.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

LONELY = 200
"""One user in this many has no friends."""


def friendships(users: int, friends: int, seed: int) -> list[set[int]]:
    """Return the friends of each user, `friends` on average."""
    chance = random.Random(seed)
    graph: list[set[int]] = [set() for _ in range(users)]
    ends: list[int] = []  # each user as often as they have friends
    for user in range(users):
        if user % LONELY == LONELY - 1:
            continue
        for _ in range(friends // 2):
            other = (
                chance.choice(ends)
                if ends and chance.random() < 0.75
                else chance.randrange(user + 1)
            )
            if other != user and other % LONELY != LONELY - 1 and other not in graph[user]:
                graph[user].add(other)
                graph[other].add(user)
                ends += (user, other)
    return graph


def write_graph(path: Path, users: int, friends: int, seed: int) -> None:
    """Write one line for each user."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="ascii", newline="\n") as file:
        for user, known in enumerate(friendships(users, friends, seed)):
            file.write(f"{user}\t{','.join(map(str, sorted(known)))}\n")
    partial.replace(path)


def main() -> None:
    """Parse the command line, and write the file."""
    parser = argparse.ArgumentParser(description="Makes a social network.")
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--friends", type=int, default=16)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    write_graph(arguments.output, arguments.users, arguments.friends, arguments.seed)


if __name__ == "__main__":
    main()
