"""The tables. Personal data and free text stand only in columns named `sealed`, encrypted (vault.py).

One set of tables for SQLite and PostgreSQL; migrations are written from it (a test compares the two).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.types import JSON

from gateway.kernel.ledger.columns import Instant, id_column, report_column
from gateway.kernel.ledger.columns import metadata as metadata
from gateway.kernel.ledger.file_tables import attachment as attachment
from gateway.kernel.ledger.file_tables import document as document

instance = Table(
    "instance",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("created_at", Instant, nullable=False),
)
"""Which installation this database belongs to; the data folder carries the same id."""

stream = Table(
    "stream",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("head", BigInteger, nullable=False),
)
"""Head of each gapless stream of entries. Its row lock orders everything that happens to one report."""

entry = Table(
    "entry",
    metadata,
    Column("stream", String(80), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("id", Uuid(), nullable=False, unique=True),
    Column("at", Instant, nullable=False),
    Column("kind", String(60), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("leaf", LargeBinary(32), nullable=False),
)
"""Audited facts in canonical form. Inserted, never updated, never deleted."""

report = Table(
    "report",
    metadata,
    id_column(),
    Column("code", String(13), nullable=False, unique=True),
    Column("service", String(40), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("priority", String(2), nullable=False),
    Column("privacy", String(20), nullable=False),
    Column("emergency", Boolean, nullable=False),
    Column("agency", String(40), nullable=False),
    Column("village", String(13)),
    Column("status", String(20), nullable=False),
    Column("identity", String(20), nullable=False),
    Column("channel", String(40), nullable=False),
    Column("owner", String(300)),
    Column("client_ref", String(120)),
    Column("epoch", Integer, nullable=False),
    Column("part_of", Uuid()),
    Column("born_in", String(40)),
    Column("occurred_at", Instant),
    Column("received_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("rule", String(80), nullable=False),
    Column("config", String(64), nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kek", Integer, nullable=False),
    Column("wrapped", LargeBinary),
    Column("withdrawn_at", Instant),
    Column("sealed_phone", LargeBinary),
    Column("sealed", LargeBinary, nullable=False),
    Index(None, "owner", "received_at", "code"),
    Index(None, "received_at", "code"),
)
"""What someone asked for. `wrapped` is the report's own key; destroying it erases every `sealed` column.

`part_of` is the report that an officer split this one off (or escalated it from): as long as nobody has claimed the
part (`epoch` 0), the other's secret opens it too. `sealed_phone` is the number that notices go to by text message: of
a reporter without an account who has not declined. `withdrawn_at` is when the reporter took the report back."""

cases = Table(
    "cases",
    metadata,
    id_column(),
    report_column(),
    Column("number", Integer, nullable=False),
    Column("app", String(40), nullable=False),
    Column("profile", String(40)),
    Column("service", String(40), nullable=False),
    Column("agency", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("word", String(80)),
    Column("reason", String(80), nullable=False),
    Column("rule", String(80), nullable=False),
    Column("since", Instant, nullable=False),
    Column("seen_at", Instant),
    Column("assignee", String(40)),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary),
    UniqueConstraint("report_id", "number"),
    Index(None, "agency", "status", "since"),
)
"""That report inside one app, or at the gateway's own desk (`app` = `gateway`). `sealed` is what is said there,
where an officer said it differently from the report; `assignee` the pseudonym of the officer who has it."""

reference = Table(
    "reference",
    metadata,
    Column("app", String(40), primary_key=True),
    Column("kind", String(40), primary_key=True),
    Column("value", String(120), primary_key=True),
    Column("case_id", Uuid(), ForeignKey("cases.id"), nullable=False),
    report_column(),
    Column("at", Instant, nullable=False),
    Index(None, "report_id"),
    Index(None, "value"),
)
"""Every number any app gave to a case, with when it became known here: the first names the record."""

event = Table(
    "event",
    metadata,
    Column("case_id", Uuid(), ForeignKey("cases.id"), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    report_column(),
    Column("kind", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("seq", BigInteger),
    Column("status", String(20)),
    Column("word", String(80)),
    Column("by_gateway", Boolean, nullable=False),
    Column("received_at", Instant, nullable=False),
    Index(None, "report_id"),
)
"""Everything that ever happened to a case; its status is the fold of these rows."""

delivery = Table(
    "delivery",
    metadata,
    id_column(),
    Column("key", String(24), nullable=False, unique=True),
    report_column(),
    Column("case_id", Uuid(), ForeignKey("cases.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("app", String(40), nullable=False),
    Column("command", String(20), nullable=False),
    Column("emergency", Boolean, nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("absences", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("settle_at", Instant),
    Column("lease_until", Instant),
    Column("worker", String(80)),
    Column("made_at", Instant, nullable=False),
    Column("replayed_at", Instant),
    Column("cause", String(200)),
    Column("field", String(80)),
    Column("http", Integer),
    Column("updated_at", Instant, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("sealed_answer", LargeBinary),
    UniqueConstraint("report_id", "number"),
    Index(None, "case_id", "number"),
    Index(None, "state", "due_at"),
)
"""One command on its way to one app. `sealed` is what will be sent, frozen when the delivery is made;
`sealed_answer` the last exchange as the desk may read it; `cause` a code, never the app's own words.

`due_at`, `lease_until`, `made_at` and `replayed_at` are real time; `settle_at` travels.
"""

timeline = Table(
    "timeline",
    metadata,
    id_column(),
    report_column(),
    Column("case_id", Uuid(), ForeignKey("cases.id")),
    Column("at", Instant, nullable=False),
    Column("status", String(20)),
    Column("notice", String(60), nullable=False),
    Column("params", JSON, nullable=False),
    Column("by", String(60), nullable=False),
    Column("internal", Boolean, nullable=False),
    Column("sealed", LargeBinary),
    Index(None, "report_id", "at"),
)
"""What is told about a report: a notice (config/notices.toml) with its values, and free text sealed."""

link = Table(
    "link",
    metadata,
    report_column(primary_key=True),
    Column("other_id", Uuid(), ForeignKey("report.id"), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("told", String(20)),
    Index(None, "other_id"),
    Index(None, "kind", "told"),
)
"""This report is a `kind` of the other. `told` is the other's end that a duplicate's reporter has been told of."""

ask = Table(
    "ask",
    metadata,
    id_column(),
    report_column(),
    Column("case_id", Uuid(), ForeignKey("cases.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String(60), nullable=False),
    Column("fields", JSON, nullable=False),
    Column("opens", Boolean, nullable=False),
    Column("state", String(10), nullable=False),
    Column("answered_at", Instant),
    Column("sealed", LargeBinary),
    Index(None, "report_id", "state"),
)
"""What a reporter was asked for a case: the names of the fields still open, and the question in words (`sealed`).

`opens` marks a case that lacks what its app demands: it is delivered once everything is there. `state` is `open`,
`answered` or `dropped` (the case ended before)."""

deadline = Table(
    "deadline",
    metadata,
    report_column(primary_key=True),
    Column("clock", String(40), primary_key=True),
    Column("by", Instant, nullable=False),
    Column("until", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("paused_at", Instant),
    Column("met_at", Instant),
    Column("rule", String(80), nullable=False),
    Index(None, "state", "by"),
)
"""By when a milestone (`until`) must have been reached, under which rule. `state` is `running`, `paused`
(since `paused_at`, because the reporter is asked for something; `by` moves on when he has answered), `met` or `missed`
(reached too late); a clock that still runs after `by` is late."""

idempotency = Table(
    "idempotency",
    metadata,
    Column("scope", String(300), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False),
    report_column(),
    Column("status", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index(None, "created_at"),
)
"""First answers by key (and by the client's own name for its report), written in the act itself."""

inbox = Table(
    "inbox",
    metadata,
    Column("app", String(40), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    Column("source", String(20), nullable=False),
    Column("hint", Boolean, nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", String(200)),
    Column("received_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("parked_at", Instant),
    Column("tries", Integer, nullable=False),
    Column("report_id", Uuid(), ForeignKey("report.id")),
    Column("kek", Integer, nullable=False),
    Column("wrapped", LargeBinary),
    Column("sealed", LargeBinary, nullable=False),
    CheckConstraint("state in ('new','applied','parked','quarantined')", name="state"),
    Index(None, "state", "due_at"),
)
"""News from apps, once each; a `hint` says no more than where to read. Rows have keys of their own, wrapped again by
the report's when matched."""

cursor = Table(
    "cursor",
    metadata,
    Column("app", String(40), primary_key=True),
    Column("cursor", Text),
    Column("version", Integer, nullable=False),
    Column("polled_at", Instant),
    Column("answered_at", Instant),
    Column("fault", String(200)),
)
"""How far each app has been read. Moves in the transaction that stores the rows."""

tally = Table(
    "tally",
    metadata,
    Column("app", String(40), primary_key=True),
    Column("kind", String(40), primary_key=True),
    Column("hour", Instant, primary_key=True),
    Column("total", Integer, nullable=False),
)
"""Calls that are only counted (prank, ghost): by hour, without number."""

alert = Table(
    "alert",
    metadata,
    id_column(),
    Column("kind", String(40), nullable=False),
    Column("subject", String(240), nullable=False),
    Column("app", String(40)),
    Column("report_id", Uuid(), ForeignKey("report.id")),
    Column("detail", String(300), nullable=False),
    Column("at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("times", Integer, nullable=False),
    Column("cleared_at", Instant),
    UniqueConstraint("kind", "subject"),
)
"""What a person must look at; the same thing seen again raises the count."""

rating = Table(
    "rating",
    metadata,
    report_column(primary_key=True),
    Column("ending", Integer, primary_key=True),
    Column("stars", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("sealed", LargeBinary),
)
"""What a reporter thinks of how his report ended: one to five stars, a comment sealed. `ending` counts the ends of the
report: another begins when it was reopened."""

sms = Table(
    "sms",
    metadata,
    id_column(),
    report_column(),
    Column("notice", String(60), nullable=False),
    Column("state", String(10), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("cause", String(80)),
    Column("sealed", LargeBinary, nullable=False),
    Index(None, "state", "due_at"),
    Index(None, "report_id"),
)
"""Text messages on their way to reporters; `sealed` is number and text as they were when the notice was told.

`state` is `queued`, `sent`, `failed` or `dropped` (declined before it left); times are real. The id is the message's
name at the provider over all tries."""
