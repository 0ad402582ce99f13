"""Notices as text messages: which go out (`sms = true` in notices.toml), to whom, and what may be said in them.

A telephone may be shared, and a number may be mistyped. Of a report that is protected nothing is said but its code, and
the secret that opens a report goes only to a number that an app saw calling.
"""

from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from gateway.kernel.ledger import ReportRef, TextMessage
from gateway.kernel.policy.policy import Policy
from gateway.model.catalogue import Privacy
from gateway.model.report import Identity

QUIET: Final = frozenset({Privacy.RESTRICTED, Privacy.SENSITIVE_REPORTER, Privacy.HEALTH, Privacy.CHILD_HEALTH})
"""Privacy classes of which a text message says nothing but the code."""
_NEWS: Final = "sms.news"
_HOME: Final = "+62"


class Texting:
    """Says notices in text messages: in Indonesian, to numbers of other countries in English.

    `title` gives an app's name for people, `secret` the secret of a report at an epoch; `page` is where people follow
    reports (code and secret come behind a `#`, which no server is sent); None: the two are written out.
    """

    def __init__(
        self,
        policy: Policy,
        title: Callable[[str], str],
        secret: Callable[[UUID, int], str],
        page: str | None = None,
    ) -> None:
        self._policy, self._title, self._secret, self._page = policy, title, secret, page

    def message(self, report: ReportRef, notice: str, values: Mapping[str, str]) -> tuple[str, TextMessage] | None:
        """Return how a notice is said to the reporter, with the name of the text; None if it is not.

        The text is `[sms.LAST]`, by the last part of the notice's key, else `[sms.news]`; for a record that was born in
        an app `[sms.LAST_APP]` before both.
        """
        notices, row = self._policy.notices, report.row
        sealed = row.get("sealed_phone")
        if sealed is None or not notices.by_sms(notice):
            return None
        number = report.key.open("phone", sealed, str)
        language = "id" if number.startswith(_HOME) else "en"
        quiet = is_quiet(str(row["privacy"]), str(row["identity"]))
        last, born = notice.rpartition(".")[2], row.get("born_in")
        names = (f"sms.{last}_{born}", f"sms.{last}", _NEWS)
        name = next(one for one in names if one in notices)
        told = {key: self._titled(value) if key == "app" else value for key, value in values.items()}
        service = self._policy.services.get(str(row["service"]))
        known = {
            "code": report.code,
            "service": str(row["service"]) if service is None else service.name.get(language),
            "news": notices.text(notice, language, sensitive=False, **told),
        }
        if born is not None and not quiet:
            known["link"] = self._link(report.code, self._secret(report.id, int(row["epoch"])))
        return name, TextMessage(to=number, text=notices.text(name, language, sensitive=quiet, **known))

    def _link(self, code: str, secret: str) -> str:
        return f"{code} {secret}" if self._page is None else f"{self._page}#{code}:{secret}"

    def _titled(self, app: str) -> str:
        try:
            return self._title(app)
        except KeyError:
            return app


def is_quiet(privacy: str, identity: str) -> bool:
    """Tell whether a text message may say nothing of a report: its class is protected, or its reporter hides."""
    return privacy in QUIET or identity != Identity.OPEN


def texted_number(owner: str | None, phone: str | None) -> str | None:
    """Return the number that a report's notices go to: of a reporter without account, if it can be dialled (E.164)."""
    return phone if owner is None and phone is not None and phone.startswith("+") else None
