"""The tables of files: what people and apps hand in, and what apps have named and the gateway still has to fetch."""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, UniqueConstraint, Uuid

from gateway.kernel.ledger.columns import Instant, id_column, metadata, report_column

attachment = Table(
    "attachment",
    metadata,
    id_column(),
    Column("owner", String(300), nullable=False),
    report_column(nullable=True),
    Column("case_id", Uuid(), ForeignKey("cases.id")),
    Column("app", String(40)),
    Column("role", String(40)),
    Column("state", String(10), nullable=False),
    Column("media_type", String(80), nullable=False),
    Column("size", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("destroyed_at", Instant),
    Column("kek", Integer, nullable=False),
    Column("wrapped", LargeBinary),
    Column("sealed", LargeBinary),
    Column("blob", Uuid(), nullable=False),
    Index(None, "report_id"),
    Index(None, "state", "created_at"),
)
"""A file in the blob store; its own key, wrapped again by the report's once it is attached. `sealed` is what is known
about the file (`model.file.About`), under the file's own key. `blob` names its bytes in the store: the id of the row
that brought them in; a photo that is part of another report too (`files.share`) is a second row over the same bytes.

`state` is `upload` (nobody has named it yet), `kept` (part of the report), `transit` (an identity card on its way to
the app of `case_id`: no route shows it, and it is destroyed once the app has it or nobody carries it any more) or
`destroyed` (key and content are gone). `role` is the question of the form that it answers; `app` the app that it came
from, with `case_id` the case there. `created_at` and `destroyed_at` are real."""

document = Table(
    "document",
    metadata,
    id_column(),
    report_column(),
    Column("case_id", Uuid(), ForeignKey("cases.id"), nullable=False),
    Column("app", String(40), nullable=False),
    Column("mark", String(64), nullable=False),
    Column("state", String(10), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("cause", String(80)),
    Column("attachment_id", Uuid(), ForeignKey("attachment.id")),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("case_id", "mark"),
    Index(None, "state", "due_at"),
)
"""A document that an app named in a case, until the host has fetched it: a queue beside the inbox, so that a file that
cannot be had holds back no news. `sealed` is the document as the app named it; `mark` a commitment to it, so that the
same one named again is one row. `state` is `waiting`, `kept`, `refused` (never to be fetched: another host, too large,
of no accepted kind) or `failed` (given up). Times are real."""
