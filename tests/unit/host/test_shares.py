"""What an app bears, cut into shares: together never more than the whole, and each of use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.host.shares import Share, shares_of
from gateway.sdk.manifest import Limits


@given(st.integers(1, 400), st.integers(1, 64))
def test_shares_are_exactly_what_the_app_bears(tenths: int, concurrency: int) -> None:
    limits = Limits(rate_per_s=tenths / 10, concurrency=concurrency)
    shares = shares_of(limits)
    assert sum(share.places for share in shares) == concurrency
    assert sum(share.count for share in shares) == max(1, int(limits.rate_per_s))
    assert all(share.count >= 1 for share in shares)
    assert all(share.places >= min(2, concurrency) for share in shares), "no place could be kept for urgent calls"


@pytest.mark.parametrize(
    ("rate", "concurrency", "shares"),
    [
        (1, 2, [Share(1, 2)]),
        (5, 4, [Share(3, 2), Share(2, 2)]),
        (20, 8, [Share(5, 2)] * 4),
        (1, 8, [Share(1, 8)]),
        (0.2, 1, [Share(1, 1)]),
    ],
)
def test_shares_of_our_apps(rate: float, concurrency: int, shares: list[Share]) -> None:
    assert list(shares_of(Limits(rate_per_s=rate, concurrency=concurrency))) == shares
