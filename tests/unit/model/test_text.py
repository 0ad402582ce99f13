"""Text that cannot be stored is found before it reaches a database."""

import pytest

from gateway.model.text import fault, faults, shortened


@pytest.mark.parametrize("text", ["", "Banjir", "é\U0001f30a", "\x01\x7f\u2028\ufffd", "ᨅᨑᨘ"])
def test_anything_people_write_is_text(text: str) -> None:
    assert fault(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\x00", "nul"),
        ("a\x00b", "nul"),
        ("\ud800", "surrogate"),
        ("x\udfff", "surrogate"),
        ("\ud83c\udf0a", "surrogate"),
    ],
)
def test_nul_and_half_characters_are_not(text: str, reason: str) -> None:
    assert fault(text) == reason


def test_faults_are_found_at_any_depth_in_keys_and_values() -> None:
    document = {"a": ["ok", {"b": "x\x00"}], "c\ud800": 1, "d": [["\udfff"]], "e": None, "f": 1.5}
    assert sorted(faults(document)) == [
        ("$", "surrogate"),
        ("$.a[1].b", "nul"),
        ("$.d[0][0]", "surrogate"),
    ]


def test_titles_are_cut_at_a_word() -> None:
    assert shortened("Banjir di  Takkalasi\n", 40) == "Banjir di Takkalasi"
    assert shortened("Banjir di Takkalasi", 12) == "Banjir di…"
    assert shortened("x" * 50, 10) == "x" * 9 + "…"
    assert all(len(shortened("kata " * 40, limit)) <= limit for limit in range(2, 60))
