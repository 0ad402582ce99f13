"""The rules as tests of pytest, in whatever repository a connector lives.

    pytest [TESTS] --gateway-connector PATH [--gateway-config FOLDER] [-k K11]

Each rule is one test. One that does not apply, or from which the connector is exempt, is skipped with its reason.
Nothing is loaded, and nothing is tried, unless the option is given.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gateway.kit.check import Bench
    from gateway.kit.report import Result
    from gateway.kit.rule import Rule


class RuleFailed(Exception):
    """A connector does not keep a rule; `result` says what was seen and what to do next."""

    def __init__(self, result: "Result") -> None:
        super().__init__(result.detail)
        self.result = result


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("gateway-kit", "conformance of gateway connectors")
    group.addoption(
        "--gateway-connector",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="folder of a connector to try all rules of the conformance kit on; may be given more than once",
    )
    group.addoption(
        "--gateway-config",
        type=Path,
        metavar="FOLDER",
        help="configuration to try it under (default: GATEWAY_CONFIG, config/ here, or the gateway's own)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add one test for every rule and connector."""
    for folder in config.getoption("--gateway-connector"):
        connector = Connector.from_parent(session, name=str(folder), folder=folder)
        items.extend(connector.collect())


class Connector(pytest.Collector):
    """A connector's folder; its tests are the rules."""

    def __init__(self, *, folder: Path, **more: Any) -> None:
        super().__init__(**more)
        self.folder = folder
        self._bench: Bench | None = None

    def collect(self) -> Iterator["Conformance"]:
        """Yield one test for every rule. Raises UsageError where there is no connector."""
        from gateway.kit.rules import RULES
        from gateway.sdk.manifest import FILE

        if not (self.folder / FILE).is_file():
            raise pytest.UsageError(f"--gateway-connector: {self.folder} holds no {FILE}")
        for rule in RULES:
            yield Conformance.from_parent(self, name=rule.id, rule=rule)

    def bench(self) -> "Bench":
        """Return the place in which the rules are tried, opened when it is first used."""
        from gateway.kit.check import Bench

        if self._bench is None:
            self._bench = Bench(self.folder, self.config.getoption("--gateway-config")).__enter__()
            self.config.add_cleanup(self._bench.__exit__)
        return self._bench


class Conformance(pytest.Item):
    """One rule, tried on one connector."""

    def __init__(self, *, rule: "Rule", **more: Any) -> None:
        super().__init__(**more)
        self.rule = rule

    def runtest(self) -> None:
        """Try the rule."""
        from gateway.kit.report import Verdict
        from gateway.sdk.clock import SystemClock

        assert isinstance(self.parent, Connector)
        result = self.parent.bench().tried(self.rule, SystemClock().real().date())
        if result.verdict is Verdict.FAILED:
            raise RuleFailed(result)
        if result.verdict is not Verdict.PASSED:
            pytest.skip(f"{result.verdict.replace('_', ' ')}: {result.detail}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Say what was seen and what to do next, instead of showing the kit's own code."""
        if not isinstance(excinfo.value, RuleFailed):
            return super().repr_failure(excinfo, style)
        result = excinfo.value.result
        return f"{result.rule} ({result.tier}) {result.title}\n\n{result.detail}\n\n{result.step}\n{result.page}"

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the rule."""
        assert isinstance(self.parent, Connector)
        return self.parent.folder, None, f"{self.rule.id} {self.rule.title}"
