"""Contoh: opens reports, finds them again by our key, and brings the news.

A few short methods and almost no try/except. What an answer means is decided by `Http` and the table in the
documentation of the SDK; retrying, waiting, pacing and storing are the gateway's.
"""

#? hmac
import hashlib
import hmac
#? webhook
import json
from collections.abc import Mapping, Sequence
#? -webhook
from collections.abc import Mapping
#?

#? login webhook
from gateway.sdk import (
    App,
    Batch,
#? webhook
    Event,
    Hook,
    News,
#? login webhook
    Receipt,
    Submission,
#? login
    Unauthorized,
#? login webhook
    rows,
)
#? -login -webhook
from gateway.sdk import App, Batch, Receipt, Submission, rows
#?

from . import wire


class Connector:
    """Level 2: the app does not honour our key, but can look it up exactly."""

    def __init__(self, app: App) -> None:
        self._http = app.http
        self._secrets = app.secrets
#? login
        self._token: str | None = None
#?

    # Who we are. Asked anew for each request, so that a changed secret counts at once.

#? apikey
    def _headers(self) -> Mapping[str, str]:
        return {"X-Api-Key": self._secrets["API_KEY"]}
#? bearer
    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._secrets['API_TOKEN']}"}
#? login
    def _headers(self) -> Mapping[str, str]:
        if self._token is None:
            raise Unauthorized("not logged in yet")  # `Http` calls `login` once, and then this again
        return {"Authorization": f"Bearer {self._token}"}

    async def login(self) -> None:
        """Get a token. Called by `Http` when the app answers that it does not know us."""
        self._token = None
        answer = await self._http.call(
            "POST",
            "/api/masuk",
            write=False,  # a login changes nothing for citizens: after a lost answer it may simply be repeated
            json={"akun": self._secrets["USERNAME"], "sandi": self._secrets["PASSWORD"]},
            missing=(),
        )
        self._token = answer.json(dict[str, str]).get("token")
#? hmac
    async def login(self) -> None:
        """Get nothing: the refusal has told the app's time, and `Http` signs the next try in it."""

    def _headers(self) -> Mapping[str, str]:
        client, stamp = self._secrets["CLIENT_ID"], str(int(self._http.app_now().timestamp()))
        proof = hmac.new(self._secrets["CLIENT_SECRET"].encode(), f"{client}&{stamp}".encode(), hashlib.sha256)
        return {"X-Klien": client, "X-Waktu": stamp, "X-Tanda": proof.hexdigest()}
#?

    # What the app can do. A method that is here is an ability; one that is not is an ability it does not have.

    async def submit(self, submission: Submission) -> Receipt:
        """Open a report, once. A lost answer is looked up by `find` before anything is sent again."""
        answer = await self._http.call(
            "POST",
            "/api/laporan",
            write=True,
            json=wire.new_report(submission),
            headers=self._headers,
            body_verdict=wire.refusal,
        )
        return wire.receipt(answer.json(wire.Report))

    async def find(self, key: str) -> Receipt | None:
        """Return the proof for our key, None only if the app says that it has nothing of that key."""
        answer = await self._http.call(
            "GET", "/api/laporan", write=False, query={"ref": key}, headers=self._headers, missing=()
        )
        found = [report for report in answer.json(wire.Reports).laporan if report.ref == key]
        return wire.receipt(found[0]) if found else None

#? webhook
    def receive(self, hook: Hook) -> Sequence[News]:
        """Translate a webhook. The host has verified it already."""
        return rows([hook.body], lambda body: wire.news(json.loads(body)), lambda body: wire.name_of(json.loads(body)))

    async def read(self, reference: str, after: str | None) -> Batch:
        """Return what happened to one report after a running number: where one is missing, the host asks."""
        answer = await self._http.call(
            "GET",
            "/api/laporan/{nomor}/kejadian",
            values={"nomor": reference},
            write=False,
            query={"setelah": after or "0"},
            headers=self._headers,
        )
        if answer.absent:
            return Batch(news=())
        news = rows(wire.happenings(answer.body), wire.news, wire.name_of)
        seen = [event.seq for event in news if isinstance(event, Event) and event.seq is not None]
        return Batch(news=news, cursor=str(max(seen)) if seen else after)
#? poll
    async def poll(self, cursor: str | None) -> Batch:
        """Return what happened after the cursor: the app's running number, so that no clock is trusted."""
        answer = await self._http.call(
            "GET", "/api/kejadian", write=False, query={"setelah": cursor or "0"}, headers=self._headers, missing=()
        )
        found = wire.happenings(answer.body)
        seen = [row["id"] for row in found if isinstance(row, dict) and isinstance(row.get("id"), int)]
        reached = str(max([*seen, int(cursor or "0")]))
        return Batch(news=rows(found, wire.news, wire.name_of), cursor=reached, more=reached != (cursor or "0"))
#?
