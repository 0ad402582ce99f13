"""Trying a connector: every rule in its own event loop with virtual time, over real sockets. No server is needed.

report = check(Path("connectors/cc112"), lambda result: print(result.rule, result.verdict))
"""

import asyncio
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path, PurePath
from typing import Any, Final

import structlog

from gateway.kit.hints import Hints
from gateway.kit.moment import Loop
from gateway.kit.patience import Patience
from gateway.kit.report import Report, Result, Verdict, keep, report_of
from gateway.kit.rule import DoesNotApply, Failed, Rule
from gateway.kit.rules import RULES
from gateway.kit.subject import Subject, config_folder
from gateway.kit.trial import Template, Trial
from gateway.sdk.clock import Clock, SystemClock
from gateway.sdk.manifest import FILE

Progress = Callable[[Result], None]
_FAREWELLS: Final = 3
"""Turns of the loop after a rule, in which connections that were let go of are closed."""
LONGEST_S: Final = 90.0
"""Real seconds that one rule may take, without those in which the machine had other things to do."""


def check(
    folder: Path,
    progress: Progress | None = None,
    *,
    config: Path | None = None,
    rules: Sequence[Rule] | None = None,
    write: bool = True,
    clock: Clock | None = None,
) -> Report:
    """Try all rules (or only those given) on the connector in `folder`; return what came of it.

    `progress` is called after each rule. `tier.json` is written into the folder unless `write` is False, or only some
    rules were tried. Raises FileNotFoundError where the folder holds no connector.toml.
    """
    if not (folder / FILE).is_file():
        raise FileNotFoundError(f"{folder} holds no {FILE}")
    today = (clock or SystemClock()).real().date()
    results = []
    with Bench(folder, config) as bench:
        for one in RULES if rules is None else rules:
            result = bench.tried(one, today)
            results.append(result)
            if progress is not None:
                progress(result)
        report = report_of(bench.subject.folder, bench.hints, results, RULES, today)
        if write and rules is None:
            keep(report, bench.hints)
    return report


class Bench:
    """A temporary place in which the rules of one connector are tried, one after the other."""

    def __init__(self, folder: Path, config: Path | None = None) -> None:
        self.subject = Subject(folder, config_folder(config))

    def __enter__(self) -> "Bench":
        self._place = tempfile.TemporaryDirectory(prefix="gateway-kit-", ignore_cleanup_errors=True)
        self._folder = Path(self._place.name)
        self._template = Template(self._folder / "template")
        (self._folder / "template").mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        self._place.cleanup()

    @property
    def hints(self) -> Hints:
        """What `kit.toml` tells; nothing where it cannot be read (then the first rule fails)."""
        try:
            return self.subject.hints
        except Failed:
            return Hints()

    def tried(self, rule: Rule, today: date) -> Result:
        """Try one rule."""
        began = time.monotonic()
        exemption = self.hints.exemption(rule.id, today)
        if exemption is not None:
            verdict, detail, step = Verdict.EXEMPT, f"until {exemption.until}: {exemption.reason}", ""
        else:
            verdict, detail, step = self._ended(rule)
        return Result(
            rule=rule.id,
            title=rule.title,
            tier=rule.tier.word,
            verdict=verdict,
            detail=detail,
            step=step,
            page=rule.page,
            seconds=round(time.monotonic() - began, 2),
        )

    def _ended(self, rule: Rule) -> tuple[Verdict, str, str]:
        with _quietly() as log, asyncio.Runner(loop_factory=Loop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, Loop)
            trial = Trial(self.subject, self._folder / rule.id, self._template, loop, log)
            error = runner.run(_outcome(rule, trial))
        match error:
            case None:
                return Verdict.PASSED, "", ""
            case DoesNotApply():
                return Verdict.NOT_APPLICABLE, error.reason, ""
            case Failed():
                return Verdict.FAILED, error.detail, error.step or rule.passing
            case TimeoutError():
                detail = f"no end within {LONGEST_S:.0f} s: something waits that should not"
            case _:
                detail = f"{type(error).__name__} at {_place(error)}: {error}"[:400]
        return Verdict.FAILED, detail, rule.passing


async def _outcome(rule: Rule, trial: Trial) -> BaseException | None:
    """Run a rule's test as a task of its own and return what it raised, whatever that was."""
    loop = asyncio.get_running_loop()

    async def run() -> None:
        await rule.test(trial)

    task = asyncio.create_task(run())
    with Patience(LONGEST_S, lambda: loop.call_soon_threadsafe(task.cancel)):
        await asyncio.wait({task})
    for _ in range(_FAREWELLS):
        await asyncio.sleep(0)
    return TimeoutError() if task.cancelled() else task.exception()


@contextmanager
def _quietly() -> Iterator[list[Mapping[str, Any]]]:
    """Keep log lines in a list instead of showing them; a warning of a library is an error."""
    with structlog.testing.capture_logs() as log, warnings.catch_warnings():
        warnings.simplefilter("error")
        yield log  # type: ignore[misc]


def _place(error: BaseException) -> str:
    """Return the innermost place in a connector's folder or the kit where an error was raised, `file:line`."""
    trace = error.__traceback__
    found = "unknown"
    while trace is not None:
        path = PurePath(trace.tb_frame.f_code.co_filename)
        if "site-packages" not in path.parts and not str(path).startswith("<"):
            found = f"{path.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
