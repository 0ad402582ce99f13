"""What an app is told of a report before the host reduces it to what that app may know."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from gateway.kernel.ledger import Vault
from gateway.kernel.ledger.reading import Row, Whole
from gateway.kernel.policy.asking import fitting
from gateway.model.catalogue import Privacy, Service
from gateway.model.codes import delivery_key
from gateway.model.gazetteer import Gazetteer
from gateway.model.link import LinkKind
from gateway.model.report import Content, Identity, Place
from gateway.model.text import shortened
from gateway.sdk.types import Document, Linked, Person, PlaceCodes, Site, Submission

QUOTED_NOWHERE: Final = frozenset({Privacy.HEALTH, Privacy.CHILD_HEALTH, Privacy.RESTRICTED})
"""Privacy classes whose reporter's own words are for those who handle them: neither they nor a number that leads to
them travel to other apps."""
_TITLE: Final = 100


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """A report as it is told to one app: its service there, what was said, by whom (`hidden`: not to be known), and
    the records of other apps that belong to it."""

    service: str
    priority: str
    content: Content
    hidden: bool
    occurred_at: datetime
    received_at: datetime
    linked: tuple[Linked, ...] = ()
    documents: tuple[Document, ...] = ()


def protects(identity: str, privacy: str) -> bool:
    """Tell whether a reporter is hidden from apps: he asked for it, or the service protects him anyway."""
    return identity != Identity.OPEN or privacy == Privacy.SENSITIVE_REPORTER


def content_of(whole: Whole, row: Row, vault: Vault, service: Service) -> Content:
    """Return what is said in a case: what an officer said there, else what the report says, with those answers that the
    case's service asks for too. Raises `Erased`."""
    key = whole.key(vault)
    if row["sealed"] is not None:
        return key.open("case-content", row["sealed"], Content)
    content = key.open("content", whole.report["sealed"], Content)
    if row["service"] == whole.report["service"]:
        return content
    return msgspec.structs.replace(content, attributes=fitting(service, content.attributes))


def own_numbers(whole: Whole) -> list[Row]:
    """Return the numbers that apps gave to the report itself, as `reading.linked_numbers` does for others."""
    facts = {name: whole.report[name] for name in ("code", "identity", "privacy")} | {"kind": LinkKind.RELATED_TO}
    apps = {case["id"]: case["app"] for case in whole.cases}
    return [facts | {"app": apps[row["case_id"]], "value": row["value"]} for row in whole.references]


def linked_to(rows: Sequence[Row], hidden: bool) -> tuple[Linked, ...]:
    """Return the records of linked reports (`reading.linked_numbers`) that an app may be told.

    A number leads whoever holds it to the other record. Where one of the two reporters is hidden and the other is not,
    it would tell who the hidden one may be; and that somebody was ill or hurt is told nowhere by a number. Then it is
    left out.
    """
    return tuple(
        Linked(kind=row["kind"], app=row["app"], value=row["value"], code=row["code"])
        for row in rows
        if protects(row["identity"], row["privacy"]) == hidden and row["privacy"] not in QUOTED_NOWHERE
    )


def submission_of(matter: Matter, code: str, number: int, profile: str | None, gazetteer: Gazetteer) -> Submission:
    """Return the matter as delivery `number` of a report to one app."""
    content = matter.content
    return Submission(
        key=delivery_key(code, number),
        code=code,
        service=matter.service,
        category="",
        profile=profile,
        priority=matter.priority,
        title=shortened(content.description, _TITLE),
        text=content.description,
        occurred_at=matter.occurred_at,
        received_at=matter.received_at,
        site=_site(content.place, gazetteer),
        reporter=Person(
            name=content.reporter.name,
            phone=content.reporter.phone,
            email=content.reporter.email,
            national_id=content.reporter.national_id,
            hidden=matter.hidden,
        ),
        attributes=content.attributes,
        linked=matter.linked,
        documents=matter.documents,
    )


def _site(place: Place, gazetteer: Gazetteer) -> Site:
    codes = None
    if place.village is not None:
        village = gazetteer.by_code(place.village)
        district = gazetteer.by_code(village.parent)
        codes = PlaceCodes(
            kemendagri=village.code,
            compact=village.compact,
            bps=village.bps,
            bps_district=district.bps or "",
            village=village.name,
            district=district.name,
        )
    return Site(
        codes=codes,
        latitude=place.latitude,
        longitude=place.longitude,
        accuracy_m=place.accuracy_m,
        address=place.address,
        landmark=place.landmark,
    )
