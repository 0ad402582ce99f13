"""Times as the show tells them: days of Barru (WITA), and how long ago something was, in Indonesian."""

from datetime import datetime

from gateway.flows.audit.words import Words
from gateway.model.deadline import WITA
from gateway.sdk.clock import Clock


def day(instant: str) -> str:
    """Return the day of an instant (RFC 3339) in Barru: `9 Des 2026`."""
    local = datetime.fromisoformat(instant).astimezone(WITA)
    return f"{local.day} {Words('id').month(local.month)} {local.year}"


def ago(instant: str, clock: Clock) -> str:
    """Return how long ago an instant (RFC 3339) was: `35 hari lalu`, within the last day in hours or minutes."""
    seconds = (clock.now() - datetime.fromisoformat(instant)).total_seconds()
    for span, unit in ((86_400, "hari"), (3_600, "jam"), (60, "menit")):
        if seconds >= span:
            return f"{seconds // span:.0f} {unit} lalu"
    return "baru saja"
