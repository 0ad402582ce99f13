"""What an app may know: of every submission only what its manifest shares, each field with its legal basis."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from gateway.model.report import Identity
from gateway.sdk import Amendment, Document, Manifest, Person, Site, Submission

Value = TypeVar("Value")


def minimise(
    submission: Submission, manifest: Manifest, identity: Identity = Identity.OPEN
) -> tuple[Submission, tuple[str, ...]]:
    """Return the submission as this app may have it, and the sorted names of what it still holds.

    A reporter who is anonymous or confidential (or already marked hidden) becomes a hidden person without any
    detail, whatever the manifest shares. Doing it twice changes nothing.
    """
    shares = manifest.shares_of(submission.profile)
    held: set[str] = set()

    def kept(name: str, value: Value, nothing: Value) -> Value:
        if name not in shares or value == nothing:
            return nothing
        held.add(name)
        return value

    hidden = submission.reporter.hidden or identity is not Identity.OPEN
    person = submission.reporter
    reporter = Person(hidden=True)
    if not hidden:
        reporter = Person(
            name=kept("reporter.name", person.name, None),
            phone=kept("reporter.phone", person.phone, None),
            email=kept("reporter.email", person.email, None),
            national_id=kept("reporter.national_id", person.national_id, None),
        )
    site = submission.site
    point = kept("place.point", (site.latitude, site.longitude, site.accuracy_m), (None, None, None))
    slim = msgspec.structs.replace(
        submission,
        title=kept("description", submission.title, ""),
        text=kept("description", submission.text, ""),
        site=Site(
            codes=kept("place.village", site.codes, None),
            latitude=point[0],
            longitude=point[1],
            accuracy_m=point[2],
            address=kept("place.address", site.address, None),
            landmark=kept("place.landmark", site.landmark, None),
        ),
        reporter=reporter,
        attributes=_answers(submission.attributes, shares, held),
        documents=_documents(submission.documents, shares, held),
        linked=kept("linked", submission.linked, ()),
    )
    return slim, tuple(sorted(held))


def minimise_amendment(
    amendment: Amendment, manifest: Manifest, profile: str | None = None
) -> tuple[Amendment, tuple[str, ...]]:
    """Return a message or withdrawal to a record of a profile as this app may have it, and the sorted names of what it
    still holds.

    Its text was written to the app and stays.
    """
    held: set[str] = set()
    shares = manifest.shares_of(profile)
    documents = amendment.documents if "documents" in shares else ()
    if documents:
        held.add("documents")
    slim = msgspec.structs.replace(
        amendment, attributes=_answers(amendment.attributes, shares, held), documents=documents
    )
    return slim, tuple(sorted(held))


def _documents(documents: tuple[Document, ...], shares: Mapping[str, str], held: set[str]) -> tuple[Document, ...]:
    """Return the files an app may have; the answer to a question of its form is named by it."""
    if "documents" not in shares:
        return ()
    held.update("documents" if one.role is None else f"documents.{one.role}" for one in documents)
    return documents


def _answers(attributes: Mapping[str, object], shares: Mapping[str, str], held: set[str]) -> dict[str, object]:
    kept = {
        name: value for name, value in attributes.items() if "attributes" in shares or f"attributes.{name}" in shares
    }
    held.update(f"attributes.{name}" for name in kept)
    return kept
