"""Bebas: an app that answers as fast as a socket can."""

from gateway.sdk import App, Receipt, Reference, Submission


class Connector:
    """Posts."""

    def __init__(self, app: App) -> None:
        self._http = app.http

    async def submit(self, submission: Submission) -> Receipt:
        """Take a report."""
        told = {"kunci": submission.key, "uraian": submission.text}
        answer = await self._http.call("POST", "/laporan", write=True, json=told)
        return Receipt(references=(Reference("nomor", answer.json(dict[str, str])["nomor"]),), key=submission.key)

    async def find(self, key: str) -> Receipt | None:
        """Look a key up."""
        answer = await self._http.call("GET", f"/laporan/{key}", write=False)
        return Receipt(references=(Reference("nomor", answer.json(dict[str, str])["nomor"]),), key=key)
