"""What the demo keeps survives its own death, and nothing that is not the demo's is ever thrown away."""

from pathlib import Path

import msgspec
import pytest

from gateway.demo import memory
from gateway.sdk.clock import SystemClock
from gateway.sdk.entropy import SeededEntropy

CLOCK = SystemClock()
PORTS = {"gateway": 21000, "cc112": 21001, "sigapdes": 21002}


def begun(folder: Path, seed: int = 1) -> memory.Memory:
    folder.mkdir(exist_ok=True)
    return memory.start(folder, PORTS, CLOCK, SeededEntropy(seed))


def test_the_same_run_has_the_same_keys_and_marks(tmp_path: Path) -> None:
    first = begun(tmp_path / "a")
    second = memory.remember(tmp_path / "a", CLOCK)
    assert second is not None
    assert second.state == first.state
    assert second.key("flood.house-01") == first.key("flood.house-01")
    assert second.mark("flood.call") == first.mark("flood.call")


def test_other_runs_and_other_steps_have_other_ones(tmp_path: Path) -> None:
    first, other = begun(tmp_path / "a"), begun(tmp_path / "b", seed=2)
    steps = [f"flood.house-{number:02d}" for number in range(1, 15)]
    names = [run.key(step) for run in (first, other) for step in steps]
    names += [run.mark(step) for run in (first, other) for step in steps]
    assert len(set(names)) == len(names)
    assert all(len(key) == 36 for key in names[:28])


def test_a_torn_answer_is_forgotten_and_the_next_one_stands_alone(tmp_path: Path) -> None:
    kept = begun(tmp_path)
    kept.acknowledge("a", "k1", "BRU-1", replayed=False)
    with (tmp_path / memory.ACKS).open("ab") as file:
        file.write(b'{"step":"b","key":"k2","co')
    again = memory.remember(tmp_path, CLOCK)
    assert again is not None
    assert [ack.step for ack in again.acks()] == ["a"]
    again.acknowledge("c", "k3", "BRU-3", replayed=True)
    assert [(ack.step, ack.replayed) for ack in again.acks()] == [("a", False), ("c", True)]


def test_what_was_learned_before_is_a_replay(tmp_path: Path) -> None:
    kept = begun(tmp_path)
    for code in ("BRU-1", "BRU-1", "BRU-2"):
        kept.learn("a", code)
    assert [(ack.code, ack.replayed) for ack in kept.acks()] == [("BRU-1", False), ("BRU-1", True), ("BRU-2", False)]


def test_tokens_are_kept_from_others(tmp_path: Path) -> None:
    kept = begun(tmp_path)
    kept.change(msgspec.structs.replace(kept.state, tokens={"auditor": "secret"}))
    assert (tmp_path / memory.STATE).stat().st_mode & 0o077 == 0


def test_starting_over_leaves_nothing_but_the_lock(tmp_path: Path) -> None:
    begun(tmp_path).acknowledge("a", "k", "BRU-1", replayed=False)
    (tmp_path / "gateway" / "keys").mkdir(parents=True)
    (tmp_path / "gateway" / "keys" / "1").touch()
    (tmp_path / "lock").touch()
    assert memory.is_ours(tmp_path)
    memory.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert memory.remember(tmp_path, CLOCK) is None


def test_a_folder_of_somebody_else_is_not_ours(tmp_path: Path) -> None:
    assert memory.is_ours(tmp_path / "new")
    assert memory.is_ours(tmp_path)
    (tmp_path / "thesis.txt").touch()
    assert not memory.is_ours(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", '{"version": 1}', "not JSON"])
def test_a_state_that_cannot_be_understood_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / memory.STATE).write_text(content)
    with pytest.raises(memory.Refused):
        memory.remember(tmp_path, CLOCK)


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    kept = begun(tmp_path)
    kept.change(msgspec.structs.replace(kept.state, version=99))
    with pytest.raises(memory.Refused, match="version 99"):
        memory.remember(tmp_path, CLOCK)
