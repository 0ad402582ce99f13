"""Every mistake an officer can make in config/ is found, with the file and the place in it."""

import shutil
from pathlib import Path

import pytest

from gateway.kernel.policy import ConfigError, Policy, check
from gateway.kernel.policy.files import NAMES
from tests.unit.policy.conftest import CONFIG

APPS = ("cc112", "singgah_di_barru", "sigapdes", "ppid", "sipendting")

SERVICES, AGENCIES, TERRITORY, HOLIDAYS, SLA, ROUTING, NOTICES, DANGER = NAMES
RULE = """
[[rule]]
id = "{id}"
reason = {{ id = "x", en = "x" }}
when = {when}
then = {then}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def plant(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1) if old else text + new, encoding="utf-8")


def rule(name: str, when: str, then: str) -> str:
    return RULE.format(id=name, when=when, then=then)


def test_our_own_configuration_is_sound() -> None:
    assert check(CONFIG, APPS) == []


PLANTED = [
    # dangling references
    (SERVICES, 'agency = "PUTR"', 'agency = "PUPR"', "service[IN-ROAD].agency", "'PUPR' is not in agencies.csv"),
    (SERVICES, '"EXT-PLN", "EXT-POLRES"', '"EXT-PLNN", "EXT-POLRES"', "service[EM-FIRE].support", "EXT-PLNN"),
    (SERVICES, 'app = "cc112"', 'app = "cc113"', "service[EM-FIRE].app", "cc113"),
    (SERVICES, 'fallback = "gateway"', 'fallback = "lapor"', "service[EM-FIRE].fallback", "lapor"),
    (SERVICES, 'sla = "complaint_14"', 'sla = "complaint_15"', "service[IN-ROAD].sla", "complaint_15"),
    (SERVICES, 'group = "order"', 'group = "peace"', "service[PO-ORDER].group", "peace"),
    (AGENCIES, ",73.11.07,", ",73.11.08,", "line 35", "district 73.11.08 is not in territory.csv"),
    (AGENCIES, ",73.11.07,", ",73.11.07.1001,", "line 35", "is not a district"),
    (TERRITORY, "Takkalasi,73.11.07", "Takkalasi,73.11.08", "line 63", "the parent of 73.11.07.1001 is 73.11.07"),
    (SLA, '["triage_3", "complaint_14"]', '["triage_2"]', "classes.complaint_14.clocks", "triage_2"),
    (ROUTING, 'services = ["VI-GOV"]', 'services = ["VI-GOVT"]', "rule[kelurahan-officials].when.services", "VI-GOVT"),
    (ROUTING, '["73.11.05"]', '["73.11.09"]', "rule[fire-mallusetasi].when.districts", "73.11.09"),
    (ROUTING, '["73.11.07.1001"]', '["73.11.07.1009"]', "rule[flood-takkalasi-relief].when.villages", "1009"),
    (ROUTING, '"SATPOLPP-DAMKAR"]', '"DAMKAR"]', "rule[damage-by-fire].then.support", "DAMKAR"),
    (ROUTING, 'disaster = "kebakaran"', 'disastr = "kebakaran"', "rule[damage-by-fire].when.attributes.disastr", ""),
    (ROUTING, '"kehilangan" } }', '"hilang" } }', "rule[letter-loss].when.attributes.letter_type", "no answer"),
    (ROUTING, '"kehilangan" } }', "1 } }", "rule[letter-loss].when.attributes.letter_type", "no answer"),
    (DANGER, "[EM-HAZARD]", "[EM-HAZARDS]", "EM-HAZARDS", "is not in services.toml"),
    (DANGER, "[EM-HAZARD]", "[XX-OTHER]", "XX-OTHER", "is not an emergency"),
    (NOTICES, "[status.on_scene]", "[status.on_site]", "status.on_scene", "is missing"),
    (NOTICES, "[reason.app_off]", "[reason.app_of]", "reason.app_off", "is missing"),
    # unknown keys, wrong types
    (SERVICES, 'priority = "P1"', 'priorty = "P1"', "service[EM-FIRE]", "unknown field `priorty`"),
    (SERVICES, 'priority = "P1"', 'priority = "P0"', "service[EM-FIRE].priority", "Invalid enum value 'P0'"),
    (SERVICES, 'datatype = "integer"', 'datatype = "int"', "service[VI-DAMAGE].fields[2].datatype", "'int'"),
    (SERVICES, "required = true", 'required = "yes"', "service[VI-LETTER].fields[0].required", "Expected `bool`"),
    (SERVICES, "[groups.other]", "[group.other]", "group", "unknown key"),
    (SLA, "working_days = 3", 'working_days = "3"', "clocks.triage_3.working_days", "Expected `int"),
    (SLA, "extension = 7", "extend = 7", "clocks.ppid_request", "unknown field `extend`"),
    (SLA, 'levels = ["kelurahan"]', 'levels = ["kota"]', "clocks.arrival_town.levels[0]", "'kota'"),
    (ROUTING, "then = { agency", "then = { agencies", "rule[kelurahan-officials].then", "unknown field `agencies`"),
    (ROUTING, 'PPID", connector = "present"', 'PPID", connector = "soon"', "apps.ppid.connector", "'soon'"),
    (NOTICES, 'quiet_id = "Sedang', 'quite_id = "Sedang', "status.on_scene", "unknown field `quite_id`"),
    (NOTICES, "[status.received]", "[received]", "received", "two parts"),
    (DANGER, "en = [", "eng = [", "EM-FIRE", "unknown field `eng`"),
    (AGENCIES, ",department,5,", ",department,7,", "line 5.week_days", "7"),
    (AGENCIES, ",department,5,,yes", ",department,5,,ya", "line 5.verified", "Expected `bool`"),
    (TERRITORY, "119.71645", "119,71645", "line 7", "13 cells, 12 are needed"),
    (TERRITORY, ",district,", ",kecamatan,", "line 7.level", "'kecamatan'"),
    (TERRITORY, "code,compact,", "kode,compact,", "line 1", "the columns must be"),
    (HOLIDAYS, "2026-01-16,public", "16-01-2026,public", "line 7.date", "Invalid RFC3339"),
    (HOLIDAYS, "2026-01-16,public", '"2026-01-16,public', "line 7", "cannot be read"),
    # duplicates
    (SERVICES, 'code = "EM-FLOOD"', 'code = "EM-FIRE"', "service[EM-FIRE]", "two services"),
    (SERVICES, 'code = "purpose"', 'code = "letter_type"', "service[VI-LETTER].fields[letter_type]", "two questions"),
    (SERVICES, 'key = "longsor"', 'key = "banjir"', "service[VI-DAMAGE].fields[disaster].choices", "'banjir'"),
    (AGENCIES, "\nBPBD,", "\nPUTR,", "line 14", "PUTR stands in line 7 already"),
    (TERRITORY, "73.11.07.2002,7311072002", "73.11.07.1001,7311071001", "line 64", "stands in line 63 already"),
    (TERRITORY, "7310041006", "7310041003", "line 64", "bps2018 code 7310041003 stands in line 63 already"),
    (ROUTING, 'id = "kelurahan-funds"', 'id = "kelurahan-officials"', "rule[kelurahan-officials].id", "two rules"),
    (SLA, "[clocks.info_5]", "[clocks.triage_3]", "-", "cannot be read"),
    (HOLIDAYS, "2026-01-16", "2026-01-01", "line 7", "given twice"),
    (DANGER, '"perahu terbalik"', '"kecelakaan"', "EM-SAR", "stands under EM-TRAFFIC already"),
    # missing translations
    (SERVICES, 'en = "Fire" }', 'en = "" }', "service[EM-FIRE].name.en", "both languages"),
    (SERVICES, ', en = "Fire" }', " }", "service[EM-FIRE].name", "missing required field `en`"),
    (SERVICES, 'en = "Landslide" }', 'en = " " }', "service[VI-DAMAGE].fields[disaster].choices[longsor].en", "both"),
    (NOTICES, 'en = "Report received"\n', "", "status.received", "missing required field `en`"),
    (NOTICES, 'quiet_en = "Being worked on"\n', "", "status.on_scene.quiet_en", "missing in this language"),
    (NOTICES, 'en = "Resolved"', 'en = ""', "status.resolved.en", "empty"),
    (ROUTING, 'en = "Loss: the police may have to confirm it"', 'en = ""', "rule[letter-loss].reason.en", "empty"),
    (SLA, 'en = "Verified and passed on"', 'en = ""', "clocks.triage_3.label.en", "empty"),
    # contradictions
    (SERVICES, 'IN-ROAD"\nkind = "complaint"', 'IN-ROAD"\nkind = "emergency"', "service[IN-ROAD].kind", "EM-"),
    (SERVICES, 'requires = ["place.any"]', 'requires = ["reporter.name"]', "service[EM-FIRE].requires", "refused"),
    (SERVICES, "minimum = 0", "minimum = 100", "service[VI-DAMAGE].fields[people].minimum", "more than the maximum"),
    (SERVICES, 'datatype = "choice"', 'datatype = "string"', "service[IN-ROAD].fields[damage].choices", "no choices"),
    (SLA, "working_days = 3", "working_days = 3\nhours = 72", "clocks.triage_3.working_days", "exactly one"),
    (SLA, "working_days = 3", "working_days = 0", "clocks.triage_3.working_days", "1 or more"),
    (SLA, 'basis = "UU 25/2009"', 'basis = " "', "clocks.statute_completeness.basis", "empty"),
    (NOTICES, "diteruskan ke {app}", "diteruskan ke {aplikasi}", "delivery.waiting.id", "{aplikasi} is not known"),
    (NOTICES, "diteruskan ke {app}", "diteruskan", "delivery.waiting.en", "same names in braces"),
    (NOTICES, "diteruskan ke {app}", "diteruskan ke {app", "delivery.waiting.id", "brace"),
    # places
    (TERRITORY, "7311071001,kel", "7310041003,kel", "line 63", "it is a bps2018 code"),
    (TERRITORY, "Takkalasi,73.11.07,7310041003", "Takkalasi,73.11.07,7311071001", "line 63", "it is a compact code"),
    (TERRITORY, "7310041003", "7310040003", "line 63", "does not lie in that of the parent, 7310041"),
    (TERRITORY, "-4.32249,119.65035", "119.65035,-4.32249", "line 63", "exchanged"),
    (TERRITORY, "kelurahan,Takkalasi", "desa,Takkalasi", "line 63", "is the code of a kelurahan, not of a desa"),
    # holidays
    (HOLIDAYS, "2026-01-16", "2026-02-20", "line 8", "must be in order"),
    (HOLIDAYS, "", "2027-01-01,public,Tahun Baru,New Year\n", "line 31", "2027 has only 1 days off"),
    # apps
    (ROUTING, "[apps]\n", '[apps]\nlaut = { title = "Laut", connector = "present" }\n', "apps.laut.connector",
     "no connector"),
    (ROUTING, "sigapdes = {", "sigap = {", "apps.sigapdes", "not declared here"),
    (ROUTING, 'PPID", ', 'PPID", services = ["IN-ROADS"], ', "apps.ppid.services", "'IN-ROADS' fits no service"),
    (ROUTING, " }\nsigapdes = {", ', services = ["EM-FIRE"] }\nsigapdes = { services = ["EM-*"],',
     "apps.sigapdes.services", "cc112 takes EM-FIRE over already"),
    # rules that never fit, or fight
    (ROUTING, "", rule("x", "{}", '{ agency = "SETDA" }'), "rule[x].when", "no condition"),
    (ROUTING, "", rule("x", '{ services = ["IN-*"] }', "{}"), "rule[x].then", "changes nothing"),
    (ROUTING, "", rule("x", '{ services = ["EM-FIRE"], priorities = ["P4"] }', '{ agency = "SETDA" }'),
     "rule[x].when.priorities", "never fits"),
    (ROUTING, "", rule("x", '{ villages = ["73.11.05.2006"], districts = ["73.11.07"] }', '{ agency = "SETDA" }'),
     "rule[x].when.districts", "never fits"),
    (ROUTING, "", rule("x", '{ services = ["CH-STUNT"] }', '{ app = "sigapdes" }'), "rule[x].then", "as fallback"),
    (ROUTING, "", rule("x", '{ services = ["EM-FLOOD"], channels = ["sms", "api"] }', '{ agency = "DINSOS" }')
     + rule("y", '{ services = ["EM-FLOOD"], levels = ["desa"] }', '{ agency = "SETDA" }'),
     "rule[x].when", "overlaps with y"),
    (ROUTING, "", rule("x", '{ services = ["VI-*"], districts = ["73.11.07"] }', '{ agency = "KEC-BALUSU" }'),
     "rule[disaster-local-post].when", "overlaps with x: both are equally precise, can fit one VI-DAMAGE"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "path", "message"), PLANTED)
def test_a_planted_mistake_is_found(folder: Path, file: str, old: str, new: str, path: str, message: str) -> None:
    plant(folder, file, old, new)
    found = [one for one in check(folder, APPS) if one.file == file and one.path == path]
    assert [one for one in found if message in one.message], check(folder, APPS)
    assert f"{file}: {path}: " in str(found[0])


@pytest.mark.parametrize("file", NAMES)
def test_a_file_that_is_missing_or_no_text_is_found(folder: Path, file: str) -> None:
    def whole_file() -> list[str]:
        return [one.message for one in check(folder, APPS) if one.file == file and one.path == "-"]

    (folder / file).write_bytes(b"\xff\xfe\x00")
    assert whole_file()[0].startswith("cannot be read")
    (folder / file).unlink()
    assert whole_file()[0].startswith("the file is missing")


def test_a_misspelt_file_is_found(folder: Path) -> None:
    (folder / "holiday.csv").write_text("date\n", encoding="utf-8")
    assert [(one.file, one.path) for one in check(folder, APPS)] == [("holiday.csv", "-")]


def test_no_folder_at_all(tmp_path: Path) -> None:
    missing = {one.file for one in check(tmp_path / "nowhere", ()) if one.path == "-"}
    assert missing == set(NAMES)


def test_one_mistake_is_told_once_and_none_hides_another(folder: Path) -> None:
    plant(folder, SERVICES, 'priority = "P1"', 'priority = "P0"')
    plant(folder, AGENCIES, ",department,5,", ",department,7,")
    plant(folder, NOTICES, 'en = "Resolved"', 'en = ""')
    found = check(folder, APPS)
    assert [(one.file, one.path) for one in found] == [
        (SERVICES, "service[EM-FIRE].priority"),
        (AGENCIES, "line 5.week_days"),
        (NOTICES, "status.resolved.en"),
    ]


@pytest.mark.parametrize(
    ("when", "then"),
    [
        ('{ services = ["EM-FIRE"], districts = ["73.11.07"] }', '{ support = ["DLH"] }'),  # another district
        ('{ services = ["EM-FIRE"], levels = ["desa"] }', '{ support = ["@district"] }'),  # decides the same
        ('{ services = ["EM-FIRE"], villages = ["73.11.05.2006"] }', '{ support = ["DLH"] }'),  # more precise
        ('{ services = ["VI-LETTER"], attributes = { letter_type = "usaha" } }', '{ support = ["DLH"] }'),
        ('{ services = ["VI-GOV"], levels = ["desa"] }', '{ support = ["DLH"] }'),
    ],
)
def test_rules_that_do_not_fight_are_no_mistake(folder: Path, when: str, then: str) -> None:
    plant(folder, ROUTING, "", rule("x", when, then))
    assert check(folder, APPS) == []


def test_loading_refuses_with_every_mistake(folder: Path) -> None:
    plant(folder, SERVICES, 'agency = "PUTR"', 'agency = "PUPR"')
    plant(folder, SLA, "extension = 7", "extend = 7")
    with pytest.raises(ConfigError) as refused:
        Policy.load(folder)
    assert [one.file for one in refused.value.findings] == [SERVICES, SLA]
    assert "services.toml: service[IN-ROAD].agency: 'PUPR'" in str(refused.value)


def test_the_digest_names_what_the_files_say(folder: Path) -> None:
    digest = Policy.load(folder).digest
    assert len(digest) == 64
    assert digest == Policy.load(CONFIG).digest
    for name in NAMES:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        path.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    plant(folder, SLA, "[clocks.acknowledge]", "# a remark\n\n[clocks.acknowledge]")
    plant(folder, SLA, 'label = { id = "Pemilahan", en = "Triage" }', 'label = { en = "Triage", id="Pemilahan" }')
    assert Policy.load(folder).digest == digest


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (SERVICES, "Banjir / rob", "Banjir"),
        (AGENCIES, ",BPBD,board,5", ",BPBD,board,6"),
        (TERRITORY, "119.71645", "119.71646"),
        (HOLIDAYS, "Wafat Yesus Kristus", "Jumat Agung"),
        (SLA, "extension = 7", "extension = 8"),
        (ROUTING, "EXT-PMI", "EXT-TNI"),
        (NOTICES, "Resolved", "Done"),
        (DANGER, '"buaya"', '"buaya darat"'),
    ],
)
def test_any_change_gives_another_digest(folder: Path, file: str, old: str, new: str) -> None:
    plant(folder, file, old, new)
    assert Policy.load(folder).digest != Policy.load(CONFIG).digest


def test_a_decree_replaces_its_year(folder: Path) -> None:
    """A day that a decree leaves out is a working day again; other years stay computed."""
    plant(folder, HOLIDAYS, "2026-05-15,joint_leave,", "2026-05-18,joint_leave,")
    before, after = (Policy.load(one).calendar_for("SETDA").days_off for one in (CONFIG, folder))
    assert sorted(day.isoformat() for day in before ^ after) == ["2026-05-15", "2026-05-18"]
    assert sum(day.year == 2027 for day in after) == 26
