"""Bronze: the folder itself. The manifest, the class that must do what it promises, and what the code may touch."""

from gateway.kit.isolation import offences, watched
from gateway.kit.rule import expect, fail, rule
from gateway.kit.trial import Trial
from gateway.model.delivery import Command, Level
from gateway.sdk import Lists, Sweeps
from gateway.sdk.manifest import Scheme
from gateway.sdk.tier import Tier


@rule(
    "K01",
    Tier.BRONZE,
    "Manifest and class agree",
    why="Everything the gateway decides about an app it reads in connector.toml, without running the app's code. "
    "What stands there must be readable to the letter and must be what the class can do: a level that is promised "
    "and not kept sends reports twice.",
    tested="connector.toml and kit.toml are decoded strictly; the class is imported and held against levels, "
    "webhook and poll of the manifest; every secret that is named has a use and no value of a secret stands in the "
    "folder.",
    passing="The message names the place in the file, or the method that is missing or too much. Secrets stand in "
    "the manifest by name; their values come from GATEWAY_<APP>_<NAME>.",
)
async def k01(trial: Trial) -> None:
    """Decode the manifest, import the class, hold them against each other."""
    subject = trial.subject
    manifest = subject.manifest
    _ = subject.hints, subject.connector
    expect(manifest.levels, "[levels] is empty: the app can do nothing", "Say in [levels] what the app can do.")
    level = manifest.level(Command.OPEN)
    if level in {Level.L2, Level.L3} and not manifest.echoes_key and manifest.opening.kinds:
        fail(
            "echoes_key is false at L2 or L3, but records of the app open reports here",
            "Let rows and events repeat our key, or every lost answer parks what is born in the app.",
        )
    if manifest.webhook is not None and manifest.webhook.scheme in {Scheme.HMAC, Scheme.STANDARD}:
        expect(
            manifest.webhook.window_s <= 900,
            f"webhook.window_s is {manifest.webhook.window_s:g}: an old webhook could be sent again for so long",
            "Set webhook.window_s to what the app needs, 900 seconds at the most.",
        )
    source = _source(trial)
    for name in manifest.secrets:
        used = f'"{name}"' in source or f"'{name}'" in source
        webhook = manifest.webhook is not None and manifest.webhook.secret == name
        expect(used or webhook, f"secret {name} is named and nowhere used", "Take it out of [secrets], or use it.")
    for name, value in subject.secrets.items():
        expect(value not in source, f"the value of {name} stands in the code", "Read it from app.secrets.")
    for word in ("sweep", "catalogue"):
        ability = Sweeps if word == "sweep" else Lists
        has = hasattr(subject.connector, word)
        expect(has is issubclass(subject.connector, ability), f"{word} is no method as gateway.sdk has it")


def _source(trial: Trial) -> str:
    files = sorted(trial.subject.folder.glob("*.py"))
    code = [file for file in files if not file.name.startswith(("test_", "sandbox", "conftest"))]
    return "\n".join(file.read_text(encoding="utf-8") for file in code)


@rule(
    "K08",
    Tier.BRONZE,
    "It translates, and nothing else",
    why="One process runs all connectors. One that sleeps, blocks or keeps state of its own slows down everybody's "
    "emergencies, and one that tries again by itself makes second tickets that no rule of the gateway can prevent.",
    tested="The code is read: imports (gateway.sdk, msgspec, the standard library without its doors), no SQL, no "
    "Redis, no loop that tries again, no sleep, no thread, no clock but the one it is given, no file that is "
    "opened. Then it is run, submitting, looking up and polling, while a watcher looks for code of the folder that "
    "holds the loop.",
    passing="Say in the manifest what the app needs (limits, settle, verdicts) and let the gateway wait, pace and "
    "retry. State belongs into the cursor. Heavy work does not belong into a connector.",
)
async def k08(trial: Trial) -> None:
    """Read the code; then run it under a watcher."""
    found = offences(trial.subject.folder)
    expect(not found, "; ".join(found[:5]))
    async with trial.room() as room:
        with watched(trial.subject.folder) as held:
            if room.manifest.level(Command.OPEN) is not None:
                key = await room.file()
                await room.carry()
                if room.host.can(room.app, "find"):
                    await room.host.find(room.app, key)
            await room.hear()
            instance = room.host.get(room.app).instance
            if isinstance(instance, Lists):
                await instance.catalogue()
            if isinstance(instance, Sweeps):
                await instance.sweep(room.time.now().date())
        expect(not held, f"the loop is held at {', '.join(sorted(held))}")
