"""What is wrong with a configuration, in words for the person who edits it."""

from collections.abc import Iterable

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One mistake: the file's name in config/, the place inside it, and what is wrong."""

    file: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used; `findings` holds every mistake that was seen."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = list(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))
