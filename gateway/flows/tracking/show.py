"""From rows to what a caller may see. Delivery states stay behind the desk: a citizen reads "waiting for …"."""

from typing import Any, Final

from gateway.flows.tracking.asked import asks_shown
from gateway.flows.tracking.bodies import (
    CaseView,
    DueView,
    LinkView,
    Named,
    Number,
    ReportView,
    TimelineRow,
)
from gateway.flows.tracking.eyes import QUIET, Eyes, masked_number, sees_content, shown_reporter
from gateway.flows.tracking.queries import Known
from gateway.kernel.host import Host
from gateway.kernel.ledger import Erased, Ledger, ReportKey
from gateway.kernel.ledger.reading import Row, Whole
from gateway.kernel.policy import Policy
from gateway.model.answers import Datatype
from gateway.model.deadline import Pause
from gateway.model.report import Content
from gateway.model.status import Status

DESK: Final = "gateway"
NUMBERS: Final = {Datatype.NIK: (4, 2), Datatype.PHONE: (3, 3)}
"""Answers that are masked, with how many characters stay at the head and at the tail."""


class Shower:
    """Shows reports in one language."""

    def __init__(self, ledger: Ledger, policy: Policy, host: Host, language: str) -> None:
        self._ledger, self._policy, self._host, self._language = ledger, policy, host, language

    def report(self, known: Known, eyes: Eyes) -> ReportView:
        """Return a report as these eyes may see it."""
        whole, row = known.whole, known.whole.report
        content = self._content(whole, eyes)
        return ReportView(
            code=whole.code,
            service=Named(code=row["service"], name=self._service(row["service"])),
            kind=row["kind"],
            status=row["status"],
            status_title=self._text(f"status.{row['status']}", quiet=row["privacy"] in QUIET),
            description=None if content is None else content.description,
            place=None if content is None else content.place,
            attributes=None if content is None else self._attributes(row["service"], content.attributes, eyes),
            identity=row["identity"],
            channel=row["channel"],
            occurred_at=row["occurred_at"],
            created_at=row["received_at"],
            updated_at=row["updated_at"],
            agency=Named(code=row["agency"], name=self._agency(row["agency"])),
            cases=tuple(self._case(whole, case) for case in whole.cases),
            due=tuple(self._due(row["agency"], due) for due in known.deadlines),
            links=tuple(
                LinkView(kind=link["kind"], direction=link["direction"], code=link["code"]) for link in known.links
            ),
            reporter=None if content is None else shown_reporter(eyes, row, content.reporter),
            withdrawn_at=row["withdrawn_at"],
            stars=known.stars,
            asks=asks_shown(whole, self._key(whole) if sees_content(eyes, row) else None, self._policy, self._language),
        )

    def _due(self, agency: str, due: Row) -> DueView:
        """Return a clock; one that still runs although its time is over is late, and one that stands still runs out as
        late as if it went on now."""
        state, by, now = str(due["state"]), due["by"], self._ledger.clock.now()
        if state == "paused":
            by = self._policy.resumed(due["clock"], by, agency, Pause(due["paused_at"], max(now, due["paused_at"])))
        elif state == "running" and by < now:
            state = "late"
        return DueView(clock=due["clock"], by=by, state=state)

    def timeline(self, whole: Whole, rows: list[Row], eyes: Eyes) -> list[TimelineRow]:
        """Return what was told about a report; what people wrote only to those who may read it."""
        key = self._key(whole) if sees_content(eyes, whole.report) else None
        return [self._told(whole, row, key) for row in rows]

    # -- parts -------------------------------------------------------------------------------------------------

    def _content(self, whole: Whole, eyes: Eyes) -> Content | None:
        if not sees_content(eyes, whole.report):
            return None
        try:
            return whole.content(self._ledger.vault)
        except Erased:
            return None

    def _key(self, whole: Whole) -> ReportKey | None:
        try:
            return whole.key(self._ledger.vault)
        except Erased:
            return None

    def _case(self, whole: Whole, case: Row) -> CaseView:
        numbers = whole.references_of(case["id"])
        waiting = case["app"] != DESK and not numbers and case["status"] == Status.RECEIVED
        title, quiet = self._title(case["app"]), whole.report["privacy"] in QUIET
        return CaseView(
            app=case["app"],
            app_title=title,
            agency=case["agency"],
            status=case["status"],
            status_title=self._text("delivery.waiting", quiet=quiet, app=title)
            if waiting
            else self._text(f"status.{case['status']}", quiet=quiet),
            references=tuple(Number(kind=number["kind"], value=number["value"]) for number in numbers),
            since=case["since"],
            seen_at=case["seen_at"],
        )

    def _told(self, whole: Whole, row: Row, key: ReportKey | None) -> TimelineRow:
        values: dict[str, Any] = dict(row["params"])
        if "app" in values:
            values["app"] = self._title(values["app"])
        notice = row["notice"]
        text: str | None = None
        if key is not None and row["sealed"] is not None:
            try:
                text = key.open("text", row["sealed"], str)
            except Erased:
                text = None
        title = self._text(notice, quiet=whole.report["privacy"] in QUIET and not row["internal"], **values)
        return TimelineRow(
            at=row["at"], title=title, by=row["by"], status=row["status"], text=text, internal=row["internal"]
        )

    def _text(self, notice: str, quiet: bool = False, **values: str) -> str:
        notices = self._policy.notices
        if notice not in notices:
            return notice  # told under a configuration that had it
        return notices.text(notice, self._language, sensitive=quiet, **values)

    def _attributes(self, service: str, attributes: dict[str, object], eyes: Eyes) -> dict[str, object]:
        """Return the answers to a service's form: numbers of people masked, and sensitive answers only for those
        who gave them or work with them."""
        entry = self._policy.services.get(service)
        fields = {field.code: field for field in entry.fields} if entry is not None else {}
        shown: dict[str, object] = {}
        for name, value in attributes.items():
            field = fields.get(name)
            if field is not None and isinstance(value, str) and field.datatype in NUMBERS:
                value = masked_number(value, *NUMBERS[field.datatype])
            elif field is not None and field.sensitive and eyes is Eyes.OVERSEER:
                value = "***"
            shown[name] = value
        return shown

    def _service(self, code: str) -> str:
        service = self._policy.services.get(code)
        return code if service is None else service.name.get(self._language)

    def _agency(self, code: str) -> str:
        agency = self._policy.agencies.get(code)
        return code if agency is None else agency.name

    def _title(self, app: str) -> str:
        try:
            return self._host.title(app)
        except KeyError:
            return app
