"""Many licenses from a sheet, by commands: issued, refused, corrected, and none issued twice."""

import csv
import io

import pytest
from openpyxl import Workbook

from tests.builders import commands, county
from tests.builders.commands import at, run, told
from tests.builders.licenses import citizen_number

scene = commands.scene
DEPARTMENT = "departments/human-resources"
TYPE = "licenseTypes/employment-registration"
ASKED = ("--parent", DEPARTMENT, "--type", TYPE)


@pytest.fixture(scope="module")
def issuing(scene):
    county.seal(scene)
    return at(scene)


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def test_a_sheet_is_filled_in_issued_corrected_and_sent_again(issuing, tmp_path):
    sheet = tmp_path / "登记.csv"
    run("license", "batch", "sheet", TYPE, "--out", sheet, *issuing)
    headings = next(csv.reader(io.StringIO(sheet.read_text(encoding="utf-8-sig"))))
    assert {"持证主体 (holder_name)", "登记类型 (KZ_DJLX)"} <= set(headings)
    with sheet.open("a", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, headings)
        good = {"持证主体 (holder_name)": "赵示例", "登记类型 (KZ_DJLX)": "就业登记"}
        table.writerow({**good, "持证主体代码 (holder_code)": citizen_number(1)})
        table.writerow({**good, "持证主体代码 (holder_code)": citizen_number(2)[:-1] + "0"})
    said = run("license", "batch", "create", sheet, *ASKED, *issuing)
    assert said.returncode == 1, said.stdout + said.stderr
    assert "BAD_LICENSE_FIELDS" in said.stdout
    assert citizen_number(1) not in said.stdout

    result = tmp_path / "登记.results.csv"
    issued, refused = rows_of(result)
    assert issued["result_state"] == "ISSUED"
    assert issued["result_license"].startswith(f"{DEPARTMENT}/licenses/")
    assert (refused["result_state"], refused["result_reason"]) == ("FAILED", "BAD_LICENSE_FIELDS")
    assert "holder_code" in refused["result_message"]

    refused["持证主体代码 (holder_code)"] = citizen_number(2)
    with result.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(issued))
        table.writeheader()
        table.writerows([issued, refused])
    done = told("license", "batch", "create", result, *ASKED, *issuing)
    assert (done["issued_count"], done["failed_count"]) == (2, 0)
    again = rows_of(tmp_path / "登记.results.results.csv")
    assert again[0]["result_license"] == issued["result_license"]
    assert again[1]["result_license"] != issued["result_license"]
    key = "行标识 (row_key)"
    assert again[0][key] == issued[key] != ""


def test_a_workbook_by_names_and_the_same_command_twice(issuing, tmp_path):
    book = Workbook()
    book.active.append(["持证主体", "CZZTDM (holder_code)", "登记类型", "行标识"])
    for number in (11, 12, 13):
        book.active.append([f"人{number}", citizen_number(number), "就业登记", f"case-{number}"])
    sheet = tmp_path / "people.xlsx"
    book.save(sheet)
    first = told("license", "batch", "create", sheet, *ASKED, *issuing)
    assert first["issued_count"] == 3
    again = told("license", "batch", "create", sheet, *ASKED, "--out", tmp_path / "b.csv", *issuing)
    assert again["name"] == first["name"]

    name = first["name"]
    assert told("license", "batch", "show", name, *issuing)["state"] == "ISSUE_BATCH_STATE_FINISHED"
    listed = told("license", "batch", "list", "--parent", DEPARTMENT, *issuing)
    assert name in {one["name"] for one in listed}
    found = told("license", "batch", "results", name, *issuing)
    assert [one["number"] for one in found] == [1, 2, 3]
    out = tmp_path / "again.csv"
    run("license", "batch", "results", name, "--sheet", sheet, "--out", out, *issuing)
    assert [row["行标识"] for row in rows_of(out)] == ["case-11", "case-12", "case-13"]
    said = run("license", "batch", "cancel", name, "--reason", "名单有误", *issuing)
    assert "BATCH_ENDED" in said.stderr


def test_a_scan_that_cannot_be_read_is_told_by_its_line(issuing, tmp_path):
    sheet = tmp_path / "paper.csv"
    run("license", "batch", "sheet", TYPE, "--out", sheet, *issuing)
    headings = next(csv.reader(io.StringIO(sheet.read_text(encoding="utf-8-sig"))))
    with sheet.open("a", encoding="utf-8", newline="") as file:
        row = {"(holder_name)": "赵示例", "(holder_code)": citizen_number(7),
               "(KZ_DJLX)": "就业登记", "(paper_number)": "旧001", "(paper_date)": "2020-01-01",
               "(scans)": "nowhere.png"}  # fmt: skip
        named = {next(h for h in headings if h.endswith(end)): text for end, text in row.items()}
        csv.DictWriter(file, headings).writerow(named)
    said = run("license", "batch", "create", sheet, *ASKED, *issuing)
    assert said.returncode in (3, 4), said.stderr
    assert "line 2, scans" in said.stderr
    assert "UNKNOWN" not in said.stderr
