"""The dry run on a real database: reports read, compared, and the look itself entered for the auditor."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.commands.dry_run import queries
from gateway.commands.dry_run.compare import DESK, Filed, Outcome, World, compare
from gateway.house import open_house
from gateway.kernel.host import Registry
from gateway.kernel.ledger import Erased, Vault
from gateway.kernel.ledger.reading import Row, Whole
from gateway.kernel.policy import PlanInput, Policy
from gateway.model.principal import EVERYTHING, Actor
from gateway.settings import Settings


def world(config: Path, connectors: Sequence[Path]) -> World:
    """Read a configuration and the manifests of its apps. Raises ConfigError."""
    registry = Registry.discover(connectors, {})
    manifests = {name: registry.get(name).manifest for name in registry.names()}
    return World(policy=Policy.load(config), manifests=manifests)


async def rehearse(settings: Settings, last: int, new: World, old: World | None) -> Outcome:
    """Compare the last reports; raises what the ledger raises. Their words never leave this function's memory."""
    async with open_house(settings) as house:
        rows = await house.ledger.read(queries.last, EVERYTHING, last)
        outcome = compare(_filed(rows, house.ledger.vault), new, old)
        act = house.ledger.act(Actor(kind="admin", ref="command-line"), "gateway config dry-run")
        act.record("access", "access.dry_run", facts={"reports": outcome.compared, "config": new.policy.digest})
        await house.ledger.commit(act)
    return outcome


def _filed(rows: Sequence[Row], vault: Vault) -> Iterator[Filed]:
    for row in rows:
        sent = {"agency": row["agency"], "rule": row["rule"]}
        if row["sent_to"] is not None and row["born_in"] is None:
            sent |= {"app": row["sent_to"] or DESK, "profile": row["sent_as"] or ""}
        draft = PlanInput(
            service=row["service"],
            village=row["village"],
            attributes=_answers(row, vault),
            channel=row["channel"],
            text="",  # it decides nothing but what is suggested
            received_at=row["received_at"],
            occurred_at=row["occurred_at"] or row["received_at"],
            exclude_app=row["born_in"],
        )
        yield Filed(code=row["code"], draft=draft, sent=sent)


def _answers(row: Row, vault: Vault) -> dict[str, object]:
    """Return the answers to the service's questions, on which rules may depend; none where they were erased."""
    whole = Whole(report=row, cases=(), references=())
    try:
        return whole.content(vault).attributes
    except Erased:
        return {}
