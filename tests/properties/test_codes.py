"""Whatever slip is made in typing one character or swapping two, a code is refused, never mistaken for another."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.codes import ALPHABET, MARK, delivery_key, new_code, parse_code, parse_key

codes = st.integers(0, 32**7 - 1).map(lambda number: new_code(lambda bound: number))
CHARS = (4, 5, 6, 7, 9, 10, 11, 12)
"""Where a code's characters stand between its hyphens."""


def replaced(code: str, place: int, char: str) -> str:
    return code[:place] + char + code[place + 1 :]


@given(codes)
def test_a_code_is_read_back_as_itself(code: str) -> None:
    assert re.fullmatch(r"BRU(-[0-9A-HJKMNP-TV-Z]{4}){2}", code)
    assert parse_code(code) == code


@given(codes, st.data())
def test_forgiveness_never_leads_to_another_code(code: str, data: st.DataObject) -> None:
    typed = "".join(
        data.draw(st.sampled_from([char, char.lower(), *{"0": "Oo", "1": "IiLl"}.get(char, "")]))
        for char in code.replace("-", "")[3:]
    )
    hyphen, blank = data.draw(st.sampled_from(["", "-"])), data.draw(st.sampled_from(["", " ", "\n\t"]))
    assert parse_code(f"{blank}bRu{hyphen}{typed[:4]}{hyphen}{typed[4:]}{blank}") == code


@given(codes)
def test_every_single_wrong_character_is_found(code: str) -> None:
    for place in CHARS:
        for char in ALPHABET:
            if char != code[place]:
                assert parse_code(replaced(code, place, char)) is None


@given(codes)
def test_every_swap_of_two_characters_is_found(code: str) -> None:
    for index, first in enumerate(CHARS):
        for second in CHARS[index + 1 :]:
            if code[first] != code[second]:
                swapped = replaced(replaced(code, first, code[second]), second, code[first])
                assert parse_code(swapped) is None


@given(st.text())
def test_any_text_is_a_canonical_code_or_nothing(text: str) -> None:
    found = parse_code(text)
    assert found is None or parse_code(found) == found
    assert parse_key(text) is None or parse_code(text) is None


@given(codes, st.integers(1, 999_999), st.text(alphabet="abc [] \n"))
def test_a_key_is_read_back_from_wherever_an_app_keeps_it(code: str, number: int, around: str) -> None:
    key = delivery_key(code, number)
    assert parse_key(key) == (code, number)
    assert len(key) <= 24, "the column holds it"
    assert key in MARK.findall(f"{around}[{key}]{around}")
