"""What the picture of a trace says, in Indonesian and English. What is not here is shown by its own name."""

from typing import Final

import msgspec

from gateway.kernel.ledger.progress import DESK
from gateway.kernel.policy import Policy

LANGUAGES: Final = ("id", "en")

KINDS: Final[dict[str, tuple[str, str]]] = {
    "report.opened": ("Laporan dibuka", "Report opened"),
    "report.moved": ("Status laporan", "Report status"),
    "report.claimed": ("Laporan diambil ke akun", "Report claimed"),
    "case.opened": ("Perkara dibuka", "Case opened"),
    "report.flagged": ("Laporan ditandai", "Report flagged"),
    "report.alerted": ("Meja 112 diperingatkan", "112 desk alerted"),
    "clock.started": ("Tenggat berjalan", "Clock started"),
    "clock.met": ("Tenggat terpenuhi", "Deadline met"),
    "clock.missed": ("Tenggat terlewati", "Deadline missed"),
    "clock.paused": ("Tenggat berhenti: pelapor ditanya", "Clock stands still: reporter asked"),
    "clock.resumed": ("Tenggat berjalan lagi", "Clock goes on"),
    "clock.extended": ("Tenggat diperpanjang", "Deadline extended"),
    "data.disclosed": ("Data dibagikan", "Data disclosed"),
    "attachment.added": ("Lampiran", "Attachment"),
    "document.received": ("Dokumen diambil dari aplikasi", "Document fetched from the app"),
    "document.refused": ("Dokumen aplikasi ditolak", "The app's document was refused"),
    "document.destroyed": ("Berkas titipan dimusnahkan", "File passed on, then destroyed"),
    "inbound.quarantined": ("Kabar dikarantina", "News set aside for a person"),
    "case.event": ("Kabar aplikasi", "News from the app"),
    "case.receipt": ("Tanda terima", "Receipt"),
    "case.reply": ("Jawaban petugas", "Officer's reply"),
    "case.note": ("Catatan petugas", "Officer's note"),
    "case.refer": ("Dilepas meja", "Left the desk"),
    "case.referred": ("Diteruskan petugas", "Referred by officer"),
    "case.asked": ("Pelapor ditanya", "Reporter asked"),
    "case.answered": ("Dijawab pelapor", "Answered by reporter"),
    "case.assigned": ("Ditugaskan", "Assigned"),
    "case.link": ("Berakhir sebagai duplikat", "Ended as duplicate"),
    "report.completed": ("Laporan dilengkapi", "Report completed"),
    "report.split": ("Dipecah petugas", "Split by officer"),
    "report.told": ("Pelapor dikabari", "Reporter told"),
    "case.close": ("Diakhiri petugas", "Ended by officer"),
    "delivery.queued": ("Menunggu dikirim", "Queued"),
    "delivery.attempt": ("Dikirim", "Sending"),
    "delivery.accepted": ("Diterima aplikasi", "Accepted"),
    "delivery.retry": ("Dicoba lagi", "To be tried again"),
    "delivery.unsure": ("Belum pasti", "Unsure"),
    "delivery.held": ("Ditahan", "Held"),
    "delivery.dead": ("Berhenti dicoba", "Given up"),
    "delivery.late": ("Jawaban terlambat", "Late answer"),
    "delivery.look": ("Dicari di aplikasi", "Looked up"),
    "delivery.replayed": ("Dikirim ulang petugas", "Replayed by a person"),
    "delivery.cancelled": ("Dibatalkan petugas", "Cancelled by a person"),
    "link.made": ("Dikaitkan", "Linked"),
    "link.received": ("Dikaitkan oleh", "Linked from"),
    "message.received": ("Pesan pelapor", "Reporter's message"),
    "report.withdrawn": ("Ditarik pelapor", "Withdrawn by the reporter"),
    "report.rated": ("Dinilai pelapor", "Rated by the reporter"),
    "report.reopened": ("Dibuka kembali pelapor", "Reopened by the reporter"),
    "case.withdrawn": ("Berakhir: ditarik", "Ended: withdrawn"),
    "case.confirmed": ("Pelapor menyatakan selesai", "End confirmed by the reporter"),
    "case.reopened": ("Dibuka kembali", "Reopened"),
    "sms.queued": ("SMS menunggu", "Text message queued"),
    "sms.sent": ("SMS terkirim", "Text message sent"),
    "sms.retry": ("SMS dicoba lagi", "Text message to be tried again"),
    "sms.failed": ("SMS gagal", "Text message failed"),
    "sms.declined": ("SMS dihentikan pelapor", "Text messages declined"),
    "sms.wanted": ("SMS diminta lagi", "Text messages wanted again"),
    "message.kept": ("Pesan disimpan", "Message kept"),
}
"""Kinds of entries; other kinds of a case are what an app said."""

STATUSES: Final[dict[str, tuple[str, str]]] = {
    "received": ("diterima", "received"),
    "verified": ("terverifikasi", "verified"),
    "needs_info": ("perlu keterangan", "needs information"),
    "routed": ("diteruskan", "routed"),
    "in_progress": ("ditangani", "in progress"),
    "on_scene": ("petugas di lokasi", "on scene"),
    "resolved": ("selesai", "resolved"),
    "closed": ("ditutup", "closed"),
    "rejected": ("ditolak", "rejected"),
    "cancelled": ("dibatalkan", "cancelled"),
    "duplicate": ("duplikat", "duplicate"),
    "reopened": ("dibuka kembali", "reopened"),
}

LINKS: Final[dict[tuple[str, str], tuple[str, str]]] = {
    ("follow_up_to", "to"): ("tindak lanjut dari", "follow-up to"),
    ("follow_up_to", "from"): ("ditindaklanjuti oleh", "followed up by"),
    ("escalated_from", "to"): ("eskalasi dari", "escalated from"),
    ("escalated_from", "from"): ("dieskalasi menjadi", "escalated to"),
    ("split_from", "to"): ("pecahan dari", "split from"),
    ("split_from", "from"): ("dipecah menjadi", "split into"),
    ("duplicate_of", "to"): ("duplikat dari", "duplicate of"),
    ("duplicate_of", "from"): ("punya duplikat", "has the duplicate"),
    ("related_to", "to"): ("terkait dengan", "related to"),
    ("related_to", "from"): ("terkait dengan", "related to"),
    ("objection_to", "to"): ("keberatan atas", "objection to"),
    ("objection_to", "from"): ("diajukan keberatan", "objected to by"),
}

ACTORS: Final[dict[str, tuple[str, str]]] = {
    "public": ("pelapor", "reporter"),
    "citizen": ("warga", "citizen"),
    "operator": ("petugas", "operator"),
    "coordinator": ("koordinator", "coordinator"),
    "service": ("program", "service"),
    "auditor": ("auditor", "auditor"),
    "admin": ("admin", "admin"),
    "gateway": ("gateway", "gateway"),
    "app": ("aplikasi", "app"),
}

OUTCOMES: Final[dict[str, tuple[str, str]]] = {
    "accepted": ("diterima", "accepted"),
    "retryable": ("belum sampai", "not delivered"),
    "ambiguous": ("jawaban tidak pasti", "answer lost"),
    "rejected": ("ditolak aplikasi", "refused by the app"),
    "unauthorized": ("kredensial ditolak", "credential refused"),
    "contract_broken": ("di luar kontrak", "outside the contract"),
    "absent": ("tidak ada di sana", "not there"),
}

DUE_STATES: Final[dict[str, tuple[str, str]]] = {
    "running": ("berjalan", "running"),
    "paused": ("dijeda", "paused"),
    "met": ("dipenuhi", "met"),
    "missed": ("terlewati", "missed"),
    "late": ("terlambat", "late"),
}

PHRASES: Final[dict[str, tuple[str, str]]] = {
    "title": ("Jejak laporan", "Trace of report"),
    "opened": ("dibuka", "opened"),
    "happened": ("terjadi", "happened"),
    "channel": ("lewat", "through"),
    "agency": ("penanggung jawab", "in charge"),
    "linked": ("terkait", "linked"),
    "report": ("Laporan", "Report"),
    "case": ("Perkara", "Case"),
    "desk": ("meja gateway", "the gateway's desk"),
    "attempt": ("percobaan", "attempt"),
    "superseded": ("tergantikan", "superseded"),
    "missing": ("catatan HILANG", "entries MISSING"),
    "altered": ("catatan DIUBAH", "entries ALTERED"),
    "whole": ("lengkap, tanpa celah", "complete, no gaps"),
    "truncated": (
        "laporan terkait terlalu banyak; sebagian tidak diikuti",
        "too many linked reports, some not followed",
    ),
    "summary": ("Ringkasan", "Summary"),
    "apps": ("Aplikasi", "Apps"),
    "none": ("tidak ada", "none"),
    "duration": ("Lama", "Duration"),
    "hops": ("Catatan", "Entries"),
    "deadlines": ("Tenggat", "Deadlines"),
    "integrity": ("Keutuhan", "Integrity"),
    "unsealed": ("belum disegel", "not sealed yet"),
    "deliveries": ("kiriman", "deliveries"),
    "events": ("kabar masuk", "news"),
    "alike": ("serupa", "alike"),
    "days": ("hari", "d"),
    "hours": ("jam", "h"),
    "minutes": ("mnt", "min"),
    "seconds": ("dtk", "s"),
}

_MONTHS: Final = (
    ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"),
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


class Words(msgspec.Struct, frozen=True):
    """The words of one language (`id` or `en`; anything else reads Indonesian). With a `policy`, what the configuration
    has names for (services, apps, clocks, reasons) is shown by them."""

    lang: str
    policy: Policy | None = None

    @property
    def _at(self) -> int:
        return 1 if self.lang == "en" else 0

    def phrase(self, name: str) -> str:
        """Return a phrase of the picture."""
        return PHRASES[name][self._at]

    def kind(self, kind: str) -> str:
        """Return the label of a kind of entry; a kind that has none shows its own name."""
        return KINDS[kind][self._at] if kind in KINDS else kind.partition(".")[2] or kind

    def status(self, status: str) -> str:
        """Return a status in words."""
        return STATUSES.get(status, (status, status))[self._at]

    def link(self, kind: str, direction: str) -> str:
        """Return what a link says about the report it is shown with."""
        return LINKS.get((kind, direction), (kind, kind))[self._at]

    def actor(self, kind: str) -> str:
        """Return what kind of actor it was."""
        return ACTORS.get(kind, (kind, kind))[self._at]

    def outcome(self, outcome: str) -> str:
        """Return what became of an attempt."""
        return OUTCOMES.get(outcome, (outcome, outcome))[self._at]

    def due(self, state: str) -> str:
        """Return the state of a deadline."""
        return DUE_STATES.get(state, (state, state))[self._at]

    def service(self, code: str) -> str:
        """Return the name of a service with its code."""
        known = self.policy.services.get(code) if self.policy else None
        return code if known is None else f"{known.name.get(self.lang)} ({code})"

    def app(self, name: str) -> str:
        """Return the title of an app, or what the gateway's own desk is called; other channels show their own name."""
        if name == DESK:
            return self.phrase("desk")
        known = self.policy.apps.get(name) if self.policy else None
        return name if known is None else known.title

    def clock(self, name: str) -> str:
        """Return the label of a clock."""
        known = self.policy.clocks.get(name) if self.policy else None
        return name if known is None else known.label.get(self.lang)

    def reason(self, name: str) -> str:
        """Return why a case is where it is; the reason of a rule is told by the rule's own words."""
        key = f"reason.{name}"
        return self.policy.notices.text(key, self.lang) if self.policy and key in self.policy.notices else name

    def month(self, number: int) -> str:
        """Return the short name of month 1 to 12."""
        return _MONTHS[self._at][number - 1]
