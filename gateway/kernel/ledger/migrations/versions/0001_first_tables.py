"""The first tables: reports, cases, deliveries, entries, inbox, vault columns."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQLITE_GUARDS = [
    """CREATE TRIGGER entry_never_updated BEFORE UPDATE ON entry
    BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END""",
    """CREATE TRIGGER entry_never_deleted BEFORE DELETE ON entry
    BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END""",
]
POSTGRES_GUARDS = [
    """CREATE FUNCTION entry_is_for_ever() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'entries are never changed or deleted'; END $$""",
    """CREATE TRIGGER entry_is_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
    FOR EACH STATEMENT EXECUTE FUNCTION entry_is_for_ever()""",
]


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cursor",
        sa.Column("app", sa.String(length=40), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fault", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("app", name=op.f("pk_cursor")),
    )
    op.create_table(
        "entry",
        sa.Column("stream", sa.String(length=80), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("stream", "seq", name=op.f("pk_entry")),
        sa.UniqueConstraint("id", name=op.f("uq_entry_id")),
    )
    op.create_table(
        "instance",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
    )
    op.create_table(
        "report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=13), nullable=False),
        sa.Column("service", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.String(length=2), nullable=False),
        sa.Column("privacy", sa.String(length=20), nullable=False),
        sa.Column("emergency", sa.Boolean(), nullable=False),
        sa.Column("agency", sa.String(length=40), nullable=False),
        sa.Column("village", sa.String(length=13), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("identity", sa.String(length=20), nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=300), nullable=True),
        sa.Column("client_ref", sa.String(length=120), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("part_of", sa.Uuid(), nullable=True),
        sa.Column("born_in", sa.String(length=40), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("config", sa.String(length=64), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kek", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_phone", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("code", name=op.f("uq_report_code")),
    )
    op.create_index(op.f("ix_report_owner_received_at_code"), "report", ["owner", "received_at", "code"], unique=False)
    op.create_index(op.f("ix_report_received_at_code"), "report", ["received_at", "code"], unique=False)
    op.create_table(
        "stream",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_stream")),
    )
    op.create_table(
        "tally",
        sa.Column("app", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("app", "kind", "hour", name=op.f("pk_tally")),
    )
    op.create_table(
        "alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=240), nullable=False),
        sa.Column("app", sa.String(length=40), nullable=True),
        sa.Column("report_id", sa.Uuid(), nullable=True),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_alert_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        sa.UniqueConstraint("kind", "subject", name=op.f("uq_alert_kind_subject")),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("app", sa.String(length=40), nullable=False),
        sa.Column("profile", sa.String(length=40), nullable=True),
        sa.Column("service", sa.String(length=40), nullable=False),
        sa.Column("agency", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("word", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.String(length=80), nullable=False),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assignee", sa.String(length=40), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_cases_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("report_id", "number", name=op.f("uq_cases_report_id_number")),
    )
    op.create_index(op.f("ix_cases_agency_status_since"), "cases", ["agency", "status", "since"], unique=False)
    op.create_table(
        "attachment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.String(length=300), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("app", sa.String(length=40), nullable=True),
        sa.Column("role", sa.String(length=40), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kek", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("blob", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_attachment_case_id_cases")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_attachment_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    op.create_index(op.f("ix_attachment_report_id"), "attachment", ["report_id"], unique=False)
    op.create_index(op.f("ix_attachment_state_created_at"), "attachment", ["state", "created_at"], unique=False)
    op.create_table(
        "document",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("app", sa.String(length=40), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.String(length=80), nullable=True),
        sa.Column("attachment_id", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attachment_id"], ["attachment.id"], name=op.f("fk_document_attachment_id_attachment")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_document_case_id_cases")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_document_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
        sa.UniqueConstraint("case_id", "mark", name=op.f("uq_document_case_id_mark")),
    )
    op.create_index(op.f("ix_document_state_due_at"), "document", ["state", "due_at"], unique=False)
    op.create_table(
        "deadline",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("clock", sa.String(length=40), nullable=False),
        sa.Column("by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("met_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_deadline_report_id_report")),
        sa.PrimaryKeyConstraint("report_id", "clock", name=op.f("pk_deadline")),
    )
    op.create_index(op.f("ix_deadline_state_by"), "deadline", ["state", "by"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("scope", sa.String(length=300), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_idempotency_report_id_report")),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("app", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("hint", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=True),
        sa.Column("kek", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("state in ('new','applied','parked','quarantined')", name=op.f("ck_inbox_state")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_inbox_report_id_report")),
        sa.PrimaryKeyConstraint("app", "event_id", name=op.f("pk_inbox")),
    )
    op.create_index(op.f("ix_inbox_state_due_at"), "inbox", ["state", "due_at"], unique=False)
    op.create_table(
        "link",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["other_id"], ["report.id"], name=op.f("fk_link_other_id_report")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_link_report_id_report")),
        sa.PrimaryKeyConstraint("report_id", "other_id", "kind", name=op.f("pk_link")),
    )
    op.create_index(op.f("ix_link_kind_told"), "link", ["kind", "told"], unique=False)
    op.create_index(op.f("ix_link_other_id"), "link", ["other_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=24), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("app", sa.String(length=40), nullable=False),
        sa.Column("command", sa.String(length=20), nullable=False),
        sa.Column("emergency", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("absences", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settle_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.String(length=80), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.String(length=200), nullable=True),
        sa.Column("field", sa.String(length=80), nullable=True),
        sa.Column("http", sa.Integer(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_answer", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_delivery_case_id_cases")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_delivery_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("key", name=op.f("uq_delivery_key")),
        sa.UniqueConstraint("report_id", "number", name=op.f("uq_delivery_report_id_number")),
    )
    op.create_index(op.f("ix_delivery_case_id_number"), "delivery", ["case_id", "number"], unique=False)
    op.create_index(op.f("ix_delivery_state_due_at"), "delivery", ["state", "due_at"], unique=False)
    op.create_table(
        "event",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=True),
        sa.Column("word", sa.String(length=80), nullable=True),
        sa.Column("by_gateway", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_event_case_id_cases")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_event_report_id_report")),
        sa.PrimaryKeyConstraint("case_id", "event_id", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_report_id"), "event", ["report_id"], unique=False)
    op.create_table(
        "reference",
        sa.Column("app", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=120), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_reference_case_id_cases")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_reference_report_id_report")),
        sa.PrimaryKeyConstraint("app", "kind", "value", name=op.f("pk_reference")),
    )
    op.create_index(op.f("ix_reference_report_id"), "reference", ["report_id"], unique=False)
    op.create_index(op.f("ix_reference_value"), "reference", ["value"], unique=False)
    op.create_table(
        "timeline",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=True),
        sa.Column("notice", sa.String(length=60), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("by", sa.String(length=60), nullable=False),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_timeline_case_id_cases")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_timeline_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline")),
    )
    op.create_index(op.f("ix_timeline_report_id_at"), "timeline", ["report_id", "at"], unique=False)
    op.create_table(
        "ask",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=60), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("opens", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_ask_case_id_cases")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_ask_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ask")),
    )
    op.create_index(op.f("ix_ask_report_id_state"), "ask", ["report_id", "state"], unique=False)
    op.create_table(
        "rating",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("ending", sa.Integer(), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_rating_report_id_report")),
        sa.PrimaryKeyConstraint("report_id", "ending", name=op.f("pk_rating")),
    )
    op.create_table(
        "sms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("notice", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.String(length=80), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_sms_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sms")),
    )
    op.create_index(op.f("ix_sms_state_due_at"), "sms", ["state", "due_at"], unique=False)
    op.create_index(op.f("ix_sms_report_id"), "sms", ["report_id"], unique=False)

    for guard in POSTGRES_GUARDS if op.get_bind().dialect.name == "postgresql" else SQLITE_GUARDS:
        op.execute(guard)
