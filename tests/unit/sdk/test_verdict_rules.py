"""Rules that hold for every answer there can be."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk.errors import Ambiguous, AppError, ContractBroken, Rejected, Retryable, Unauthorized
from gateway.sdk.exchange import Answer
from gateway.sdk.verdicts import LONGEST_WAIT, Expected, judge, lost, retry_after

NOW = datetime(2026, 1, 28, tzinfo=UTC)
BODIES = st.sampled_from([b"", b"{}", b"[]", b"null", b"<html>", b"\xef\xbb\xbf <x>", b"{", b"OK"]) | st.binary()
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "date", "content-type"]), st.text(max_size=40))
EXPECTED = Expected(statuses=(200, 201), missing=(404,), decode=dict, body_verdict=None, overrides={})


def verdict(status: int, headers: dict[str, str], body: bytes, write: bool) -> Answer | AppError:
    try:
        return judge(Answer(status=status, headers=headers, body=body, write=write), EXPECTED, NOW)
    except AppError as error:
        return error


@given(st.integers(100, 599), HEADERS, BODIES)
def test_a_write_is_never_called_undone_without_the_apps_word(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    """Retryable lets the gateway send again without looking: only a clear "not done" may lead there."""
    ended = verdict(status, headers, body, write=True)
    if isinstance(ended, Retryable):
        assert status in {425, 429} or (status == 503 and "retry-after" in headers)
    if isinstance(ended, Rejected | Unauthorized):
        assert 400 <= status < 500
    if isinstance(ended, Answer):
        assert status in {200, 201}
        assert not ended.absent
    assert not isinstance(ended, ContractBroken)


@given(st.integers(100, 599), HEADERS, BODIES)
def test_a_read_is_never_in_doubt_and_absence_needs_the_apps_word(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    ended = verdict(status, headers, body, write=False)
    assert not isinstance(ended, Ambiguous | Rejected)
    if isinstance(ended, Answer) and ended.absent:
        assert status == 404
        assert not ended.is_page


@given(st.text(), st.booleans(), st.booleans())
def test_only_a_write_of_which_bytes_may_have_left_is_ambiguous(cause: str, sent: bool, write: bool) -> None:
    assert isinstance(lost(cause, sent, write), Ambiguous) == (sent and write)


@given(st.text() | st.integers().map(str), st.text())
def test_no_header_makes_the_gateway_wait_for_ever(text: str, date: str) -> None:
    after = retry_after({"retry-after": text, "date": date}, NOW)
    assert after is None or 0 <= after <= LONGEST_WAIT
