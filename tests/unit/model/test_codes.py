"""Report codes and delivery keys: made, typed by people, read back."""

from itertools import combinations

import pytest

from gateway.model.codes import (
    ALPHABET,
    MARK,
    check_character,
    delivery_key,
    new_code,
    parse_code,
    parse_key,
)


def test_the_check_character_is_frozen() -> None:
    """Codes are printed on paper: the rule may never change."""
    assert new_code(lambda bound: 0) == "BRU-0000-0000"
    assert new_code(lambda bound: bound - 1) == "BRU-ZZZZ-ZZZC"
    assert new_code(lambda bound: 0x7_1234_5678) == "BRU-W938-NKRD"


def test_a_code_uses_all_of_its_randomness() -> None:
    asked: list[int] = []

    def below(bound: int) -> int:
        asked.append(bound)
        return 1

    new_code(below)
    assert asked == [32**7]


@pytest.mark.parametrize(
    "typed",
    [
        "BRU-1010-100S",
        "bru-1010-100s",
        " BRU-1010-100S\n",
        "BRU1010100S",
        "bru-1010100s",
        "BRU-IOLO-1OOS",
        "bru-lolo-iooS",
    ],
)
def test_what_people_type_is_forgiven(typed: str) -> None:
    assert parse_code(typed) == "BRU-1010-100S"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "BRU",
        "BRU-1010-100G",
        "BRU-1010-100",
        "BRU-1010-100SF",
        "BRX-1010-100S",
        "BRU-1010-100U",
        "BRU--1010-100S",
        "BRU-10-10-100S",
        "BRU-1010-100S-1",
        "BRU-1010-10０S",
        "BRU-1010-100S; DROP TABLE report",
        "BRU-1010-100S\x00",
        "\ud800",
    ],
)
def test_what_is_no_code_is_refused(typed: str) -> None:
    assert parse_code(typed) is None


def test_the_alphabet_is_crockfords() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert not set("ILOU") & set(ALPHABET)


def test_every_swap_of_two_places_is_found_for_every_pair_of_characters() -> None:
    """Linear over GF(32): it is enough to try every pair of characters at every two places."""
    for first, second in combinations(range(8), 2):
        for one, other in combinations(ALPHABET, 2):
            body = ["0"] * 8
            body[first], body[second] = one, other
            swapped = list(body)
            swapped[first], swapped[second] = other, one
            valid = [check_character("".join(word[:7])) == word[7] for word in (body, swapped)]
            assert not all(valid)


def test_a_key_names_a_delivery() -> None:
    code = new_code(lambda bound: bound // 3)
    assert delivery_key(code, 12) == f"{code}-12"
    assert parse_key(f"{code}-12") == (code, 12)
    assert parse_key(f" {code}-12 ") == (code, 12)


@pytest.mark.parametrize("suffix", ["", "-", "-0", "-01", "--1", "-1000000", "-x", "-1-1", "-1 2", "-١"])
def test_what_is_no_key_is_refused(suffix: str) -> None:
    code = new_code(lambda bound: bound // 3)
    assert parse_key(code + suffix) is None


def test_a_key_must_be_exact() -> None:
    """Keys are read from machines: nothing is forgiven, so that two spellings never name one delivery."""
    code = new_code(lambda bound: bound // 3)
    assert parse_key(f"{code.lower()}-1") is None
    broken = code[:-1] + ("0" if code[-1] != "0" else "1")
    assert parse_key(f"{broken}-1") is None


def test_a_mark_is_found_at_the_end_of_a_text() -> None:
    code = new_code(lambda bound: bound // 3)
    assert MARK.findall(f"Air naik [{code}-2] dan [{code}]") == [f"{code}-2"]
