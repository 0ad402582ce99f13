"""Why a start would be refused, asked without starting anything."""

from pathlib import Path

from sqlalchemy.exc import DBAPIError

from gateway.kernel.ledger.engine import PostgresStore, Unsafe, open_store
from gateway.kernel.ledger.keyring import KeyringError, check_owner, read_keyring
from gateway.kernel.ledger.ledger import instance_of


async def start_refusal(url: str, data: Path) -> str | None:
    """Return why a start on this database and data folder would be refused, None if it would not.

    A database that cannot be read is another matter (`database_fault`).
    """
    store = open_store(url)
    try:
        if isinstance(store, PostgresStore):
            await store.check()
        owner, keyring = await store.read(instance_of), read_keyring(data)
        if owner is not None and keyring is None:
            return f"the data folder {data} is empty, and the database belongs to one that is not"
        if owner is not None and keyring is not None:
            check_owner(owner, keyring, data)
    except (Unsafe, KeyringError) as refused:
        return str(refused)
    except (DBAPIError, OSError):
        return None
    finally:
        await store.close()
    return None
