"""Webhooks after the proof: what the connector reads in them, as far as the proof reaches."""

import structlog

from gateway.kernel.host.call import place_of
from gateway.kernel.host.load import FOREIGN_FAULTS
from gateway.kernel.host.loaded import LoadedConnector
from gateway.kernel.host.news import sound
from gateway.kernel.host.outcome import Outcome
from gateway.model.delivery import Verdict
from gateway.sdk import AppError, Batch, Event, Hook, Look, News, Receives, Unreadable

_log = structlog.get_logger()


def translate(loaded: LoadedConnector, hook: Hook) -> Outcome:
    """Return the news of a verified webhook; a body the connector cannot read is a broken contract.

    Under a scheme that proves no content everything is turned into hints, "go and read this record".
    """
    assert isinstance(loaded.instance, Receives), "checked against the manifest when it was loaded"
    try:
        given = tuple(loaded.instance.receive(hook))
    except AppError as error:
        message = loaded.app.secrets.redact(error.message)
        return Outcome(verdict=Verdict.BROKEN, cause="unreadable", message=message)
    except FOREIGN_FAULTS as fault:
        _log.error("connector.error", connector=loaded.name, cause=type(fault).__name__, at=place_of(fault))
        return Outcome(verdict=Verdict.BROKEN, cause="connector_error")
    news = sound(given)
    if news is None:
        _log.error("connector.error", connector=loaded.name, cause="returned something else than news")
        return Outcome(verdict=Verdict.BROKEN, cause="connector_error")
    webhook = loaded.manifest.webhook
    if webhook is not None and webhook.hints_only:
        news = tuple(hint for item in news if (hint := _hint(item)) is not None)
    return Outcome(verdict=Verdict.ACCEPTED, batch=Batch(news=news))


def _hint(item: News) -> Look | Unreadable | None:
    if isinstance(item, Look | Unreadable):
        return item
    if isinstance(item, Event) and item.references:
        return Look(id=item.id, reference=item.references[0])
    return None
