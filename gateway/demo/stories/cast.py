"""Who and where: fictional people in real villages, and the bodies that are filed for them."""

from datetime import datetime
from typing import Final

import msgspec

from gateway.demo.callers import Json

VILLAGE_WAY: Final = ("1", "2", "3")
"""Si-GAPDes' words of a complaint and of a damage record: waiting, being handled, done."""
COMPLAINT_WAY: Final = ("1", "2", "3", "4", "5", "6")
"""Si-PeNDTING's words of a complaint: received, verified, passed on, in work, to be verified, done."""
REFERRAL_WAY: Final = ("1", "2", "3", "4", "5", "6")
"""Si-PeNDTING's words of a request to look: new, data to be checked, data right, to follow up, followed up, well."""
REQUEST_WAY: Final = ("0", "1", "2")
"""PPID's words of a request: received, in work, answered."""
OBJECTION_WAY: Final = ("n", "p", "a")
"""PPID's words of an objection: received, in work, upheld."""
VISITOR_WAY: Final = ("baru", "diverifikasi", "diteruskan", "ditindaklanjuti", "selesai")
"""Singgah Di Barru's words: new, verified, passed on, being acted upon, done."""
LETTER_WAY: Final = ("0", "1", "2", "3", "4")
"""Si-GAPDes' words of a letter: incomplete, checked, to be signed, ready, collected."""


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """A village by its Kemendagri code, with a point in it (WGS 84 degrees)."""

    village: str
    latitude: float
    longitude: float


class Household(msgspec.Struct, frozen=True, kw_only=True):
    """A family: its head, how many live there, how badly the house is damaged; a NIK and telephone where needed."""

    name: str
    people: int
    level: str = "sedang"
    national_id: str | None = None
    phone: str | None = None


CANYON: Final = ("2", "Celebes Canyon")
"""A destination of Singgah Di Barru: its number and its name."""
TAKKALASI: Final = Spot(village="73.11.07.1001", latitude=-4.32249, longitude=119.65035)
NEPO: Final = Spot(village="73.11.05.2006", latitude=-4.15136, longitude=119.69904)
SUMPANG_BINANGAE: Final = Spot(village="73.11.03.1003", latitude=-4.4053, longitude=119.61161)
MADELLO: Final = Spot(village="73.11.07.2005", latitude=-4.34169, longitude=119.62928)
PUJANANTING: Final = Spot(village="73.11.06.2001", latitude=-4.70322, longitude=119.71217)
JANGAN_JANGAN: Final = Spot(village="73.11.06.2004", latitude=-4.61997, longitude=119.67004)
KUPA: Final = Spot(village="73.11.05.2007", latitude=-4.11902, longitude=119.6201)
LIBURENG: Final = Spot(village="73.11.01.2005", latitude=-4.5134, longitude=119.73105)

HOUSES: Final = tuple(
    Household(name=name, people=people, level=level)
    for name, people, level in (
        ("Hj. Rosmini", 4, "berat"),
        ("La Baco", 5, "sedang"),
        ("Andi Tenri", 3, "ringan"),
        ("Muh. Ramli", 6, "sedang"),
        ("Sitti Aminah", 2, "berat"),
        ("Abd. Rahman", 4, "ringan"),
        ("Hasnah", 5, "sedang"),
        ("Syamsuddin", 7, "sedang"),
        ("Nurlina", 3, "ringan"),
        ("La Nusu", 4, "berat"),
        ("Darmawati", 1, "sedang"),
        ("Burhanuddin", 5, "ringan"),
        ("I Mare", 2, "sedang"),
        ("Kaharuddin", 6, "berat"),
    )
)
"""The fourteen houses of Takkalasi."""
FIRE_FAMILY: Final = Household(
    name="Abd. Malik", people=5, level="berat", national_id="7311051203780002", phone="+6285342000206"
)
STUDENT: Final = Household(name="Nur Afiah", people=4, national_id="7311075408050003", phone="+6282193000207")


def place(spot: Spot, address: str) -> Json:
    """Return where it is, as the API reads it."""
    return {
        "village": spot.village,
        "latitude": spot.latitude,
        "longitude": spot.longitude,
        "address": address,
    }


def damage(household: Household, spot: Spot, disaster: str, at: datetime) -> Json:
    """Return the record of a damaged house."""
    return {
        "service": "VI-DAMAGE",
        "description": f"Rumah {household.name} terendam, kerusakan {household.level}.",
        "place": place(spot, "Lingkungan Takkalasi"),
        "attributes": {
            "head_of_family": household.name,
            "people": household.people,
            "disaster": disaster,
            "severity": household.level,
        },
        "occurred_at": at.isoformat(),
    }


def letter(household: Household, spot: Spot, kind: str, purpose: str) -> Json:
    """Return the request for a village letter."""
    return {
        "service": "VI-LETTER",
        "description": purpose,
        "place": {"village": spot.village},
        "attributes": {"letter_type": kind, "purpose": purpose},
        "reporter": {
            "name": household.name,
            "phone": household.phone,
            "national_id": household.national_id,
        },
    }
