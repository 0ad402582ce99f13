"""Finding every mistake in config/, with file and place, before it can decide about anybody's report."""

from collections.abc import Iterable
from pathlib import Path

from gateway.kernel.policy import files
from gateway.kernel.policy.check_catalogue import services_faults, words_faults
from gateway.kernel.policy.check_places import agency_faults, holiday_faults, territory_faults
from gateway.kernel.policy.check_routing import app_faults, rule_faults
from gateway.kernel.policy.check_texts import clock_faults, danger_faults, notice_faults
from gateway.kernel.policy.decode import Decoder
from gateway.kernel.policy.findings import Finding
from gateway.kernel.policy.shapes import Config


def check(folder: Path, app_names: Iterable[str]) -> list[Finding]:
    """Return every mistake in the configuration in a folder, given the names of the connectors that exist."""
    return examine(folder, app_names)[2]


def examine(folder: Path, app_names: Iterable[str] | None = None) -> tuple[Config, str, list[Finding]]:
    """Read, decode and check a configuration: what could be decoded, its digest, and every mistake.

    Without `app_names` the apps are not compared with connectors: a missing connector is then no mistake.
    """
    raw, findings = files.read(folder)
    decoder = Decoder(raw)
    config = decoder.config()
    findings += decoder.findings
    findings += [*territory_faults(config), *agency_faults(config), *holiday_faults(config)]
    findings += [*services_faults(config), *words_faults(config), *clock_faults(config)]
    findings += [*rule_faults(config), *app_faults(config, app_names)]
    findings += [*notice_faults(config), *danger_faults(config)]
    order = {name: place for place, name in enumerate(files.NAMES)}
    findings.sort(key=lambda finding: order.get(finding.file, len(order)))
    return config, raw.digest(), findings
