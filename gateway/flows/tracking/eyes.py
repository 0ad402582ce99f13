"""Whose eyes a report is shown to, and what those eyes may see. Pure; the fields of a view follow from it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from gateway.kernel.ledger.reading import Whole
from gateway.model.principal import Principal, Role
from gateway.model.report import Identity, Reporter

HIDDEN_REPORTER: Final = frozenset({"sensitive_reporter"})
"""Privacy classes that hide the reporter from the handling agency, whatever he chose."""
HANDLER_ONLY: Final = frozenset({"health", "child_health", "restricted"})
"""Privacy classes whose free text only the reporter and the handling agency see."""
QUIET: Final = frozenset({"sensitive_reporter", "restricted"})
"""Privacy classes whose notices say nothing of the content: the phone may be shared."""


class Eyes(StrEnum):
    """Who is looking at a report.

    `OWNER` filed it (or holds its secret); `HANDLER` works for an agency that handles it; `OVERSEER` coordinates
    all of them; `OUTSIDER` may know that it exists and how it stands, not what it says.
    """

    OWNER = "owner"
    HANDLER = "handler"
    OVERSEER = "overseer"
    OUTSIDER = "outsider"


def eyes_of(principal: Principal, whole: Whole, by_secret: bool = False) -> Eyes:
    """Tell whose eyes a caller has for a report."""
    if by_secret or (principal.account and whole.report["owner"] == principal.key):
        return Eyes.OWNER
    agencies = {whole.report["agency"], *(case["agency"] for case in whole.cases)}
    if principal.has(Role.OPERATOR, Role.SERVICE) and principal.agency in agencies:
        return Eyes.HANDLER
    return Eyes.OVERSEER if principal.has(Role.COORDINATOR) else Eyes.OUTSIDER


def sees_content(eyes: Eyes, report: Mapping[str, Any]) -> bool:
    """Tell whether description, place, attributes and what people wrote are shown."""
    if eyes is Eyes.OVERSEER:
        return report["privacy"] not in HANDLER_ONLY
    return eyes in {Eyes.OWNER, Eyes.HANDLER}


def sees_notes(eyes: Eyes) -> bool:
    """Tell whether the internal notes of the agencies are shown."""
    return eyes is Eyes.HANDLER or eyes is Eyes.OVERSEER


def shown_reporter(eyes: Eyes, report: Mapping[str, Any], reporter: Reporter) -> Reporter | None:
    """Return the reporter as these eyes may see him: telephone and NIK masked for everybody, or not at all.

    A confidential reporter, and that of a service that protects him anyway, is hidden from the handling agency;
    an anonymous one only from the public and from print. Coordinators and auditors need nobody's name here.
    """
    hidden = report["identity"] == Identity.CONFIDENTIAL or report["privacy"] in HIDDEN_REPORTER
    if eyes is Eyes.OWNER or (eyes is Eyes.HANDLER and not hidden):
        return masked(reporter)
    return None


def masked(reporter: Reporter) -> Reporter:
    """Return the reporter with telephone, mail and NIK cut to what lets a person recognise his own."""
    return Reporter(
        name=reporter.name,
        phone=reporter.phone and masked_number(reporter.phone, 3, 3),
        email=reporter.email and _masked_email(reporter.email),
        national_id=reporter.national_id and masked_number(reporter.national_id, 4, 2),
    )


def masked_number(number: str, head: int, tail: int) -> str:
    """Return a number with its middle starred: `7311**********01`. A short number is starred whole."""
    if len(number) <= head + tail:
        return "*" * len(number)
    return number[:head] + "*" * (len(number) - head - tail) + number[-tail:]


def _masked_email(email: str) -> str:
    name, _, host = email.rpartition("@")
    return f"{name[:1]}***@{host}" if name else "***"
