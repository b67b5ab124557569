"""People you may know: for each user, the users with the most friends in common.

    python -m driver run --job friend_recommendation --input graph.txt

Input: lines `user<TAB>friend,friend,...`, one for each user; users are numbers (of 64 bits), and a
friendship is in both lines. A user may have no friends, with or without the tab. Other lines are
skipped, and counted as `malformed`. Output: user -> a list of at most 10 users who are not friends,
those with the most friends in common first; at equal numbers, the smaller user first.

Two users have a friend in common if both are in that friend's line. A pair for each two users of a
line would make as many pairs as the squares of the lines' lengths. Instead each friend gets the
whole line, packed: one pair for each friend, and a `Counter` for each user counts, in C.
"""

from array import array
from collections import Counter
from collections.abc import Iterator
from heapq import nlargest, nsmallest

from mapreduce import Job


class FriendRecommendation(Job):
    """At most `most` recommended users for each user."""

    most: int = 10

    def map(self, key: int, value: str) -> Iterator[tuple[int, bytes]]:
        """Yield the line to the user and each friend: the user's number and the friends', 8 bytes
        each.
        """
        name, _, names = value.partition("\t")
        try:
            user = int(name)
            friends = (
                sorted({int(friend) for friend in names.split(",")} - {user})
                if names.strip()
                else []
            )
        except ValueError:
            self.count("malformed")
            return
        packed = array("q", [user, *friends]).tobytes()
        for recipient in (user, *friends):
            yield recipient, packed

    def reduce(self, key: int, values: Iterator[bytes]) -> Iterator[tuple[int, list[int]]]:
        """Count how often each user is in a friend's line, except friends and the user."""
        known: set[int] = {key}
        common: Counter[int] = Counter()
        for packed in values:
            user, *others = array("q", packed)
            known.add(user)
            if user == key:
                known.update(others)
            else:
                common.update(others)
        for user in known:
            del common[user]
        # a threshold from `nlargest`, which runs in C, leaves few users to compare in Python
        least = min(nlargest(self.most, common.values()), default=0)
        found = [(-count, user) for user, count in common.items() if count >= least]
        yield key, [user for _, user in nsmallest(self.most, found)]
