"""In which language a caller is answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.edge.language import preferred


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "id"),
        ("id", "id"),
        ("en", "en"),
        ("EN-us", "en"),
        ("id-ID,id;q=0.9,en;q=0.8", "id"),
        ("en-GB,en;q=0.9,id;q=0.8", "en"),
        ("id;q=0.5,en;q=0.9", "en"),
        ("en;q=0.5, id;q=0.9", "id"),
        ("en, id", "en"),
        ("id, en", "id"),
        ("in-ID,en;q=0.5", "id"),
        ("fr-FR,fr;q=0.9,en;q=0.1", "en"),
        ("fr", "id"),
        ("*", "id"),
        ("*;q=0.5, en;q=0.4", "id"),
        ("en;q=0", "id"),
        ("en;q=0.000", "id"),
        ("en;q=1.5", "id"),
        ("en;q=abc, fr", "id"),
        ("en;q=0.1, id;q=0.1000", "en"),
        ("en ; q=0.8", "en"),
        ("x" * 5000 + ",en", "id"),
    ],
)
def test_preferred(accept: str, language: str) -> None:
    assert preferred(accept) == language


@given(st.text())
def test_any_header_has_an_answer(accept: str) -> None:
    assert preferred(accept) in {"id", "en"}
