"""The places of PPID's list `domisili`: the villages of the regency, by the names they have there."""

from collections.abc import Mapping
from typing import Final

_VILLAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "Tanete Riaja": {
        "Lompo Riaja": "73.11.01.1001",
        "Harapan": "73.11.01.2002",
        "Lompo Tengah": "73.11.01.2003",
        "Kading": "73.11.01.2004",
        "Libureng": "73.11.01.2005",
        "Mattirowalie": "73.11.01.2006",
        "Lempang": "73.11.01.2007",
    },
    "Tanete Rilau": {
        "Lalolang": "73.11.02.1001",
        "Tanete": "73.11.02.1002",
        "Pancana": "73.11.02.2003",
        "Lalabata": "73.11.02.2004",
        "Corawali": "73.11.02.2005",
        "Pao Pao": "73.11.02.2006",
        "Tellumpanua": "73.11.02.2007",
        "Lipukasi": "73.11.02.2008",
        "Garessi": "73.11.02.2009",
        "Lasitae": "73.11.02.2010",
    },
    "Barru": {
        "Coppo": "73.11.03.1001",
        "Mangempang": "73.11.03.1002",
        "Sumpang Binangae": "73.11.03.1003",
        "Sepee": "73.11.03.1004",
        "Tuwung": "73.11.03.1005",
        "Palakka": "73.11.03.2006",
        "Tompo": "73.11.03.2007",
        "Anabanua": "73.11.03.2008",
        "Galung": "73.11.03.2009",
        "Siawung": "73.11.03.2010",
    },
    "Soppeng Riaja": {
        "Kiru Kiru": "73.11.04.1001",
        "Mangkoso": "73.11.04.1002",
        "Lawallu": "73.11.04.2003",
        "Paccekke": "73.11.04.2004",
        "Ajakkang": "73.11.04.2005",
        "Siddo": "73.11.04.2006",
        "Batupute": "73.11.04.2007",
    },
    "Mallusetasi": {
        "Palanro": "73.11.05.1001",
        "Mallawa": "73.11.05.1002",
        "Bojo Baru": "73.11.05.1003",
        "Cilellang": "73.11.05.2004",
        "Manuba": "73.11.05.2005",
        "Nepo": "73.11.05.2006",
        "Kupa": "73.11.05.2007",
        "Bojo": "73.11.05.2008",
    },
    "Pujananting": {
        "Mattappawalie": "73.11.06.1007",
        "Pujananting": "73.11.06.2001",
        "Gattareng": "73.11.06.2002",
        "Pattappa": "73.11.06.2003",
        "Jangan Jangan": "73.11.06.2004",
        "Bulo Bulo": "73.11.06.2005",
        "Bacu Bacu": "73.11.06.2006",
    },
    "Balusu": {
        "Takkalasi": "73.11.07.1001",
        "Balusu": "73.11.07.2002",
        "Lampoko": "73.11.07.2003",
        "Kamiri": "73.11.07.2004",
        "Madello": "73.11.07.2005",
        "Binuang": "73.11.07.2006",
    },
}
"""Of each district its villages, with their dotted Kemendagri codes."""

ELSEWHERE: Final = "Lainnya"
"""The entry for everybody else: of no village of ours, or of none that was named."""


def plain(name: str) -> str:
    """Return what makes two spellings of a name the same: its letters and digits (`Pao-Pao` is `pao pao`)."""
    return "".join(char for char in name.casefold() if char.isalnum())


def listed_as(village: str, district: str) -> str:
    """Return the name of a village in the list; villages of several districts share theirs with a district."""
    return f"{village}, Kec. {district}"


NAMES: Final[Mapping[str, str]] = {
    code: listed_as(village, district) for district, villages in _VILLAGES.items() for village, code in villages.items()
}
"""Names in the list by dotted Kemendagri code."""

CODES: Final[Mapping[str, str]] = {plain(name): code for code, name in NAMES.items()}
"""Dotted Kemendagri codes by plain name."""
