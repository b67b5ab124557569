"""Tables as answers: sums in another order have the same digest."""

from __future__ import annotations

from bench.tables import SHIFT, table_digest


def test_no_mean_of_short_decimals_is_where_rounding_goes_either_way() -> None:
    """A mean of n numbers of six decimals ends in a multiple of 1/n units of the seventh place.

    After the shift, none of up to 200 numbers is nearer to a half than 1e-6 units: the last bits of
    a sum cannot reach it.
    """
    for count in range(1, 201):
        for part in range(count):
            assert abs((part / count + SHIFT * 1e7) % 1 - 0.5) > 1e-6, (part, count)


def test_a_digest_forgives_the_order_of_additions_and_of_rows() -> None:
    """0.1 + 0.2 is 0.3; 0.3000002 is not."""
    rows = [("a", 1, 0.1 + 0.2, None), ("b", 2, -0.5, 1)]
    assert table_digest(rows) == table_digest([("b", 2, -0.5, 1), ("a", 1, 0.3, None)])
    assert table_digest(rows) != table_digest([("a", 1, 0.3000002, None), rows[1]])
