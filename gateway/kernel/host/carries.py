"""Whether a later word about a record can be carried to the app that has it."""

from gateway.kernel.host.host import Host
from gateway.model.delivery import Command
from gateway.sdk.manifest import Mode


def carries(host: Host, app: str, profile: str | None = None, command: Command = Command.MESSAGE) -> bool:
    """Tell whether an app takes a message or a withdrawal: it is live, its manifest and its connector can, and, for a
    message, it may have what people write (a profile that may not is told nothing in free words, whoever wrote them).
    """
    if not host.can(app, "amend"):
        return False
    manifest = host.get(app).manifest
    words = command is Command.WITHDRAW or "description" in manifest.shares_of(profile)
    return words and manifest.mode is Mode.LIVE and manifest.level(command) is not None
