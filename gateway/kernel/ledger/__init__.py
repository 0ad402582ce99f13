"""The ledger: the one door for writes. Tables, engines, acts, queue, vault, keys and migrations.

Outside this room SQL stands only in files named `queries.py`, which read; every change is an `Act`.
"""

from gateway.kernel.ledger.act import Act
from gateway.kernel.ledger.apply import Dropped, Stale, Taken, Unfit
from gateway.kernel.ledger.engine import Unsafe
from gateway.kernel.ledger.keyring import Keyring, KeyringError
from gateway.kernel.ledger.ledger import Ledger
from gateway.kernel.ledger.migrate import EMPTY, Unreachable, database_fault, migrate
from gateway.kernel.ledger.parts import CaseRef, ReportRef, TextMessage
from gateway.kernel.ledger.queue import Claimed
from gateway.kernel.ledger.refusal import start_refusal
from gateway.kernel.ledger.scope import visible
from gateway.kernel.ledger.vault import Erased, ReportKey, Vault
from gateway.kernel.ledger.writer import Overloaded, Unavailable

__all__ = [
    "EMPTY",
    "Act",
    "CaseRef",
    "Claimed",
    "Dropped",
    "Erased",
    "Keyring",
    "KeyringError",
    "Ledger",
    "Overloaded",
    "ReportKey",
    "ReportRef",
    "Stale",
    "Taken",
    "TextMessage",
    "Unavailable",
    "Unfit",
    "Unreachable",
    "Unsafe",
    "Vault",
    "database_fault",
    "migrate",
    "start_refusal",
    "visible",
]
