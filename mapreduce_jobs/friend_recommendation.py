"""People you may know: for each user, those who have the most friends in common with them.

    python -m driver run --job friend_recommendation --input graph.txt

Input: lines `user<TAB>friend,friend,...`, one a user; users are numbers (of 64 bits), and a friendship stands in both
lines. A user may have no friends, with or without the tab. Other lines are passed over, and counted as `malformed`.
Output: user -> a list of at most 10 users who are no friends of theirs, those with the most friends in common first,
and of two with equally many, the smaller number first.

Two users have a friend in common if both are in that friend's line. The obvious way, a pair for each two users of a
line, makes as many pairs as the squares of the lines' lengths. Here each friend is sent the whole line, packed: one
pair for each friend, and a `Counter` for each user does the counting, in C.
"""

from array import array
from collections import Counter
from collections.abc import Iterator
from heapq import nlargest, nsmallest

from mapreduce import Job


class FriendRecommendation(Job):
    """At most `most` users for each user."""

    most: int = 10

    def map(self, key: int, value: str) -> Iterator[tuple[int, bytes]]:
        """The line, to the user and to every friend: the user's number and then the friends', 8 bytes each."""
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
        """Counts how often each user is in a friend's line; friends and the user themself do not count."""
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
        least = min(
            nlargest(self.most, common.values()), default=0
        )  # so that few are left to be compared in Python
        found = [(-count, user) for user, count in common.items() if count >= least]
        yield key, [user for _, user in nsmallest(self.most, found)]
