"""Who handles reports: the agencies (OPD) of the regency and the bodies outside it that they work with."""

from enum import StrEnum

import msgspec

from gateway.model.calendar import Week


class AgencyKind(StrEnum):
    """What kind of body an agency is."""

    DEPARTMENT = "department"
    BOARD = "board"
    UNIT = "unit"
    HOSPITAL = "hospital"
    INSPECTORATE = "inspectorate"
    SECRETARIAT = "secretariat"
    DISTRICT = "district"
    VERTICAL = "vertical"
    STATE_COMPANY = "state_company"
    REGIONAL_COMPANY = "regional_company"
    NEIGHBOUR = "neighbour"
    SOCIETY = "society"
    STATE_BODY = "state_body"
    NATIONAL_APP = "national_app"


class Agency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agency. `week_days` is 5 or 6; `district` the dotted code of the district whose office it is, if any.

    `verified` tells whether its name was confirmed for Barru, or is assumed from the law or the national pattern.
    `handles_id` and `handles_en` say in a few words what it is responsible for.
    """

    code: str
    name: str
    short_name: str
    kind: AgencyKind
    week_days: Week
    district: str | None
    verified: bool
    handles_id: str
    handles_en: str
