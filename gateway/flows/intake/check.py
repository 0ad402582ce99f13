"""From the body of a request to a draft: everything a person can get wrong is found at once, each with its place.

Phones become E.164, NIKs are checked, times get their zone (WITA where the client gave none), territory is matched
by code only: a name or a point is never silently turned into a village.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from stdnum.exceptions import ValidationError as BadNumber
from stdnum.id import nik

from gateway.flows.intake.bodies import PlaceBody, ReportBody, ReporterBody
from gateway.kernel.policy import Policy
from gateway.kernel.policy.asking import attribute_faults, kept_answers
from gateway.model.catalogue import Need, Privacy, Service
from gateway.model.phone import e164
from gateway.model.problem import Fault, refused
from gateway.model.report import Content, Draft, Identity, Place, Reporter
from gateway.model.territory import CodeRefused

WITA: Final = ZoneInfo("Asia/Makassar")
_AHEAD: Final = timedelta(minutes=10)
"""How far a phone's clock may be ahead of ours."""
_MARGIN_M: Final = 10_000.0
"""How far outside the regency an emergency is still taken: boats, and callers near the border. Metres."""
_PAST: Final = timedelta(days=366)
"""What happened longer ago is not a report but a matter for the archive or the courts."""


class Checker:
    """Checks reports against the catalogue and the territory."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def draft(self, body: ReportBody, now: datetime, follow_up_to: str | None = None) -> Draft:
        """Return the draft, or raise `Problem` with every fault found (JSON pointers into the body)."""
        service = self._policy.services.get(body.service)
        if service is None or not service.active:
            raise refused([Fault(code="unknown-service", pointer="/service", params={"service": body.service})])
        phone = e164(body.reporter.phone) if body.reporter.phone else None
        faults = [
            *self._place(body.place, _MARGIN_M if service.emergency else 0.0),
            *_reporter(body.reporter, phone),
            *_occurred(body.occurred_at, now),
            *attribute_faults(service, body.attributes),
            *_needs(service, body),
        ]
        if not body.description.strip():
            faults.append(_missing("/description"))
        if body.identity is not Identity.OPEN and not service.hides_allowed:
            faults.append(Fault(code="identity-needed", pointer="/identity"))
        if body.attachments and service.privacy is Privacy.CHILD_HEALTH:
            faults.append(Fault(code="attachment-of-a-child", pointer="/attachments"))
        if faults:
            raise refused(faults)
        return Draft(
            service=service.code,
            content=Content(
                description=body.description,
                place=Place(
                    latitude=body.place.latitude,
                    longitude=body.place.longitude,
                    accuracy_m=body.place.accuracy_m,
                    village=self._village(body.place.village),
                    address=body.place.address,
                    landmark=body.place.landmark,
                ),
                attributes=kept_answers(service, body.attributes),
                reporter=Reporter(
                    name=_clean(body.reporter.name),
                    phone=phone,
                    email=_clean(body.reporter.email),
                    national_id=nik.compact(body.reporter.national_id) if body.reporter.national_id else None,
                ),
            ),
            identity=body.identity,
            occurred_at=_zoned(body.occurred_at),
            client_ref=body.client_ref,
            channel=body.channel or "api",
            follow_up_to=follow_up_to,
        )

    def _village(self, code: str | None) -> str | None:
        return self._policy.gazetteer.by_code(code).code if code else None

    def _place(self, place: PlaceBody, margin_m: float) -> Iterator[Fault]:
        if (place.latitude is None) != (place.longitude is None):
            yield _missing("/place/longitude" if place.longitude is None else "/place/latitude")
        elif (
            place.latitude is not None
            and place.longitude is not None
            and not self._policy.gazetteer.covers(place.latitude, place.longitude, margin_m)
        ):
            yield Fault(code="outside-barru", pointer="/place/latitude")
        if place.village is None:
            return
        try:
            known = self._policy.gazetteer.by_code(place.village).is_village
        except CodeRefused:
            known = False
        if not known:
            yield Fault(code="unknown-village", pointer="/place/village", params={"village": place.village})


def _missing(pointer: str) -> Fault:
    return Fault(code="missing-field", pointer=pointer)


def _reporter(reporter: ReporterBody, phone: str | None) -> Iterator[Fault]:
    if reporter.phone and phone is None:
        yield Fault(code="bad-phone", pointer="/reporter/phone")
    if reporter.national_id is not None:
        try:
            nik.validate(reporter.national_id)
        except BadNumber:
            yield Fault(code="bad-nik", pointer="/reporter/national_id")
    if reporter.email and ("@" not in reporter.email[1:-1] or any(char.isspace() for char in reporter.email)):
        yield Fault(code="bad-email", pointer="/reporter/email")


def _zoned(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    return (at.replace(tzinfo=WITA) if at.tzinfo is None else at).astimezone(UTC)


def _occurred(at: datetime | None, now: datetime) -> Iterator[Fault]:
    if at is None:
        return
    if at.year <= 1 or at.year >= 9999:  # too near the ends of the calendar to be moved to UTC
        yield Fault(code="bad-time", pointer="/occurred_at")
        return
    moment = _zoned(at)
    assert moment is not None
    if moment > now + _AHEAD:
        yield Fault(code="time-future", pointer="/occurred_at")
    elif moment < now - _PAST:
        yield Fault(code="time-ancient", pointer="/occurred_at", params={"limit": f"{_PAST.days} hari/days"})


def _needs(service: Service, body: ReportBody) -> Iterator[Fault]:
    place, reporter = body.place, body.reporter
    given = {
        "place.point": place.latitude is not None and place.longitude is not None,
        "place.village": bool(place.village),
        "place.address": bool(place.address and place.address.strip()),
        "place.landmark": bool(place.landmark and place.landmark.strip()),
        "reporter.name": bool(reporter.name and reporter.name.strip()),
        "reporter.phone": bool(reporter.phone),
        "reporter.email": bool(reporter.email),
        "reporter.national_id": bool(reporter.national_id),
    }
    for need in service.lacking([name for name, there in given.items() if there]):
        code = "place-needed" if need is Need.PLACE else "missing-field"
        yield Fault(code=code, pointer="/" + str(need).removesuffix(".any").replace(".", "/"))


def _clean(text: str | None) -> str | None:
    return text.strip() or None if text else None
