"""Files that answer questions: an identity card that was missing, or that is needed again because it was destroyed.

Such a file is held for the case's app alone. A delivery that waits for it, because it was given up once and its file
destroyed with that, goes on as the same delivery under the same key.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from gateway.flows.tracking import queries
from gateway.flows.tracking.bodies import MessageBody
from gateway.kernel.host import Host
from gateway.kernel.ledger import Act, Ledger
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.files import transit_document
from gateway.kernel.ledger.reading import Row, Whole
from gateway.kernel.policy import Policy
from gateway.kernel.policy.asking import file_faults, was_asked
from gateway.model.answers import Datatype
from gateway.model.catalogue import Field
from gateway.model.delivery import DeliveryState, Level, Standing, after_replay
from gateway.model.entry import Hop
from gateway.model.file import upload_id
from gateway.model.principal import Principal
from gateway.model.problem import Fault, pointer_to, refused
from gateway.sdk import Document

RULE = "answer"


class Supplied(msgspec.Struct, frozen=True, kw_only=True):
    """An upload that answers a question (`role`, the code of its field) of a case."""

    case: Row
    role: str
    row: dict[str, Any]

    @property
    def document(self) -> Document:
        """The file as its app gets it."""
        return transit_document(self.row | {"role": self.role})


class Supply:
    """Takes files that answer questions."""

    def __init__(self, ledger: Ledger, policy: Policy, host: Host) -> None:
        self._ledger, self._policy, self._host = ledger, policy, host

    async def find(self, principal: Principal, whole: Whole, body: MessageBody) -> list[Supplied]:
        """Return the uploads that a message's answers name. Raises Problem with the place of each that is not the
        caller's own, is named twice, or is not what the question wants."""
        asked = list(self._asked(whole, body))
        ids = [upload_id(body.answers[field.code]) for _, field in asked]
        named = {upload_id(name) for name in body.attachments}
        known = [one for one in ids if one is not None]
        found = await self._ledger.read(queries.files, principal.key, known) if known else []
        rows = {row["id"]: row for row in found}
        supplied: list[Supplied] = []
        faults: list[Fault] = []
        for (case, field), file_id in zip(asked, ids, strict=True):
            pointer = pointer_to("answers", field.code)
            if file_id is None or file_id not in rows or file_id in named:
                faults.append(Fault(code="attachment-unknown", pointer=pointer))
                continue
            named.add(file_id)
            row = rows[file_id]
            faults += file_faults(field, row["media_type"], row["size"], pointer)
            supplied.append(Supplied(case=case, role=field.code, row=row))
        if faults:
            raise refused(faults)
        return supplied

    def _asked(self, whole: Whole, body: MessageBody) -> list[tuple[Row, Field]]:
        """Return the questions for files that the answers name, each with the first case that asks it."""
        found: dict[str, tuple[Row, Field]] = {}
        for case in whole.cases:
            service = self._policy.services.get(case["service"])
            names = [name for ask in whole.asks if ask["case_id"] == case["id"] for name in ask["fields"]]
            for field in service.fields if service is not None else ():
                wanted = field.datatype is Datatype.FILE and was_asked(field.code, names)
                if wanted and body.answers.get(field.code) is not None:
                    found.setdefault(field.code, (case, field))
        return list(found.values())

    async def hand_on(self, act: Act, whole: Whole, supplied: Sequence[Supplied]) -> None:
        """Let the deliveries go on that were held because a file of theirs had been destroyed."""
        for case_id in dict.fromkeys(one.case["id"] for one in supplied):
            for row in await self._ledger.read(queries.held_for_a_file, case_id):
                await self._again(act, whole, row)

    async def _again(self, act: Act, whole: Whole, row: Row) -> None:
        standing = Standing(
            state=DeliveryState(row["state"]),
            attempt=row["attempt"],
            absences=row["absences"],
            made_at=row["made_at"],
            replayed_at=row["replayed_at"],
        )
        try:
            level = Level(self._host.level(row["app"], row["command"]))
            settle_s = float(self._host.manifest(row["app"]).settle_s)
        except KeyError:
            level, settle_s = Level.L0, 0.0
        following = after_replay(standing, level)
        act.settle(
            row,
            following,
            settle_at=act.now + timedelta(seconds=settle_s) if following.settle else None,
            due_at=act.real,
            replayed_at=act.real,
            cause=None,
            field=None,
            http=None,
        )
        hop = Hop(direction="out", app=row["app"], operation=row["command"], delivery=row["key"], outcome="supplied")
        act.record(whole.code, "delivery.replayed", case=whole.case(row["case_id"])["number"], rule=RULE, hop=hop)
        for alert in await self._ledger.read(queries.open_alerts, row["key"]):
            act.change(t.alert, {"id": alert, "cleared_at": None}, cleared_at=act.now)
