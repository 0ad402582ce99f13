"""A record born in an app is opened as a report here: owner none, channel the app, its own app the first case."""

import msgspec
import structlog

from gateway.flows.inbound.opened import Opened
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Act, Ledger, Taken
from gateway.kernel.ledger.reading import Whole
from gateway.kernel.policy.opening import Born, Opener
from gateway.model.phone import e164
from gateway.model.principal import app_actor
from gateway.model.report import Content, Draft, Identity, Place, Reporter
from gateway.sdk import Event, Opening

_log = structlog.get_logger()
_TRIES = 5


class Adopter:
    """Opens reports for records that were born in apps."""

    def __init__(self, ledger: Ledger, host: Host, opener: Opener, wake: Wake) -> None:
        self._ledger, self._host, self._opener, self._wake = ledger, host, opener, wake

    def extend(self, act: Act, whole: Whole, event: Event) -> None:
        """Give a report's clocks more time, where its app says in writing that it takes it (`extended`)."""
        if event.facts.get("extended") is True:
            self._opener.extend(act, whole, str(act.actor.ref))

    async def adopt(self, opened: Opened, event: Event) -> str | None:
        """Open a report for the record an event tells of; None when it is open (by us or another process), else
        the reason why it cannot be (a category that no map knows, a village that is none)."""
        app, opening = str(opened.row["app"]), event.opening
        assert opening is not None
        service = opening.service or self._host.service_of(app, opening.category)
        if service is None or not self._opener.knows(service):
            return "unknown_category"
        if opening.site_village is not None and not self._opener.knows_village(opening.site_village):
            if not self._opener.is_emergency(service):
                return "unknown_village"
            # An emergency waits for nobody to mend a code; what the app wrote stays with the address.
            address = ", ".join(filter(None, (opening.address, opening.site_village)))
            opening = msgspec.structs.replace(opening, site_village=None, address=address)
        draft = draft_of(app, service, opening)
        born = Born(app=app, references=tuple((r.kind, r.value) for r in event.references), service=service)
        for _ in range(_TRIES):
            act = self._ledger.act(app_actor(app), f"{opened.row['source']}:{event.kind}")
            code = self._opener.open(act, draft, owner=None, born=born).code
            try:
                await self._ledger.commit(act)
            except Taken as clash:
                if clash.table == "reference":
                    return None  # another process opened it in the same moment
                if clash.table != "report":
                    raise
                continue  # the random code exists already: draw again
            _log.info("report.adopted", report=code, connector=app)
            self._wake.ring("delivery")
            return None
        return "no_code"


def draft_of(app: str, service: str, opening: Opening) -> Draft:
    """Translate what an app tells of a record born there into a draft; a hidden reporter stays hidden."""
    person = opening.reporter
    return Draft(
        service=service,
        content=Content(
            description=opening.text or "-",
            place=Place(
                latitude=opening.latitude,
                longitude=opening.longitude,
                village=opening.site_village,
                address=opening.address,
            ),
            attributes=dict(opening.attributes),
            reporter=Reporter(
                name=person.name, phone=_dialled(person.phone), email=person.email, national_id=person.national_id
            ),
        ),
        identity=Identity.CONFIDENTIAL if person.hidden else Identity.OPEN,
        occurred_at=opening.occurred_at,
        channel=app,
    )


def _dialled(phone: str | None) -> str | None:
    """Return an app's number as E.164; one that cannot be read stays as the app has it: somebody may know it."""
    return phone and (e164(phone) or phone)
