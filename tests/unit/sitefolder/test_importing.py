"""From the engineer's spreadsheet to a site that can run: every way makers write, every mistake with its row."""

import os
import shutil
from pathlib import Path

import pytest
from openpyxl import Workbook

from collectors.profile import Order, Type
from sitefolder import load
from sitefolder.finding import Problems
from sitefolder.importing import Wish, import_points
from sitefolder.pointtable import Options
from sitefolder.profiles import read_profiles
from sitefolder.vendorwords import function_of, kind_and_order, scale_of, unit_factor

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"
CHINESE = [
    ["XX 公司电表点表"],
    ["序号", "名称", "寄存器地址", "数据类型", "字节序", "系数", "单位", "备注"],
    [1, "A相电压", 40098, "UINT16", "", 0.1, "V", ""],
    [2, "A相电流", 40101, "无符号16位", None, "/100", "A", None],
    [3, "总有功功率", 40107, "32位有符号", "低字在前", "1", "W", None],
    [4, "正向有功电能", 40011, "Float (ABCD)", None, None, "kWh", None],
    [5, "断路器合位", "40200.3", "BOOL", None, None, None, None],
    [6, "柜内温度", 30005, "int16", None, "×0.1", "℃", None],
]
ENGLISH = """Signal name,Register,Type,Function code,Scaling,Unit
Voltage A-N,0x0061,UINT16,03,0.1,V
Current phase A,100,u16,03H,0.01,A
Cabinet temp,12,INT16,FC4,*0.1,degC
"""


def xlsx(path, rows, title="点表"):
    book = Workbook()
    book.active.title = "封面"
    book.active.append(["说明", "仅供参考"])
    sheet = book.create_sheet(title)
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


def imported(table, folder, id="meter-x", kind="lv_meter", **options):
    return import_points(table, folder, Wish(id, kind, options=Options(**options)))


def fields(folder, id="meter-x"):
    problems = Problems()
    found = read_profiles(folder / "profiles", problems)
    assert [str(f) for f in problems.findings] == []
    return found[id].modbus.fields


def told(done):
    assert done.files == []
    for finding in done.findings:
        assert finding.text.zh
        assert finding.text.en
    return [(f.line, f.text.en) for f in done.findings]


def test_a_chinese_workbook_becomes_a_profile(tmp_path):
    done = imported(xlsx(tmp_path / "点表.xlsx", CHINESE), tmp_path / "site")
    assert done.findings == []
    assert (done.channels, done.mapped) == (6, 4)
    assert done.free == ["r199_3 (断路器合位)", "r4 (柜内温度)"]
    assert done.ignored == ["序号", "备注"]
    found = fields(tmp_path / "site")
    voltage, current, power, energy = (found[p] for p in ("v_an", "i_a", "p_total", "energy_import"))
    assert (voltage.address, voltage.function, voltage.type, voltage.scale) == (97, 3, Type.U16, 0.1)
    assert (current.address, current.scale) == (100, 0.01)
    assert (power.address, power.type, power.order, power.unit) == (106, Type.I32, Order.CDAB, "kW")
    assert power.scale == pytest.approx(0.001), "the table is in W, the point in kW"
    assert (energy.address, energy.type, energy.order) == (10, Type.F32, Order.ABCD)
    assert (found["r199_3"].address, found["r199_3"].type, found["r199_3"].bit) == (199, Type.BIT, 3)
    assert (found["r4"].address, found["r4"].function, found["r4"].text.zh) == (4, 4, "柜内温度")


@pytest.mark.parametrize(("base", "wire"), [(0, 97), (1, 96)])
def test_an_english_csv_with_wire_or_printed_addresses(tmp_path, base, wire):
    (tmp_path / "t.csv").write_text(ENGLISH)
    assert imported(tmp_path / "t.csv", tmp_path, base=base).findings == []
    found = fields(tmp_path)
    assert found["v_an"].address == wire
    assert (found["cabinet_temp"].function, found["cabinet_temp"].address) == (4, 12 - base)


def test_a_csv_as_chinese_spreadsheets_save_it(tmp_path):
    rows = "\r\n".join(";".join("" if c is None else str(c) for c in row) for row in CHINESE[1:])
    (tmp_path / "t.csv").write_bytes(rows.encode("gb18030"))
    assert imported(tmp_path / "t.csv", tmp_path).findings == []
    assert fields(tmp_path)["v_an"].address == 97


def test_every_mistake_is_told_with_its_row_and_nothing_is_written(tmp_path):
    rows = [
        ["名称", "地址", "类型", "功能码", "系数", "单位", "字节序"],
        ["A相电压", "abc", "u16", "", "", "", ""],
        ["B相电压", "40002", "u17", "", "", "", ""],
        ["C相电压", "40003", "float", "", "", "", ""],
        ["A相电流", "40005", "u16", "6", "", "", ""],
        ["B相电流", "40006", "u16", "", "много", "", ""],
        ["C相电流", "40007", "u16", "", "", "kg", ""],
        ["频率", "77", "u16", "", "", "", ""],
        ["功率因数", "30009", "u16", "03", "", "", ""],
        ["合位", "40010", "BOOL", "", "", "", ""],
        ["总有功功率", "40011", "int32", "", "", "", "ACBD"],
        ["", "", "u16", "", "0.1", "", ""],
        ["A相电压", "00012", "u16", "", "", "", ""],
        ["AB线电压", "40019", "u16", "", "", "", ""],
        ["Uab", "40020", "u16", "", "", "", ""],
    ]
    site = tmp_path / "site"
    said = told(imported(xlsx(tmp_path / "t.xlsx", rows), site))
    assert [row for row, _ in said] == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15]
    for (_, en), part in zip(
        said,
        ["cannot be read", "u17 is not known", "needs its byte order", "6 is not a read", "factor", "unit kg", "--base",
         "belongs to function 4", "needs its number", "ACBD is not known", "no address", "only bits", "twice"],
        strict=True,
    ):  # fmt: skip
        assert part in en
    assert not site.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2\n", "has no headings"),
        ("名称,地址,类型\n".encode(), "has not a single point"),
        (b"name,address\n\xff\xff\xff,1\n", "is neither UTF-8 nor GB18030"),
    ],
)
def test_what_is_no_table(tmp_path, content, said):
    (tmp_path / "t.csv").write_bytes(content)
    assert said in told(imported(tmp_path / "t.csv", tmp_path / "site"))[0][1]


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"not a zip")
    assert "is not an .xlsx" in told(imported(tmp_path / "t.xlsx", tmp_path / "s"))[0][1]
    (tmp_path / "t.xls").write_bytes(b"x")
    assert "save an old .xls" in told(imported(tmp_path / "t.xls", tmp_path / "s"))[0][1]
    assert "cannot be read" in told(imported(tmp_path / "none.csv", tmp_path / "s"))[0][1]
    assert "is not a kind" in told(imported(xlsx(tmp_path / "p.xlsx", CHINESE), tmp_path / "s", kind="toaster"))[0][1]


def test_several_devices_in_one_table_share_a_profile(tmp_path):
    rows = [["设备", "从站号", "名称", "地址", "类型"]]
    for name, unit in (("一号表", 1), ("二号表", 2)):
        rows += [[name, unit, "A相电压", 40001, "u16"], [None, None, "A相电流", 40002, "u16"]]
    done = imported(xlsx(tmp_path / "t.xlsx", rows), tmp_path)
    assert done.findings == []
    assert [p.name for p in done.files] == ["meter-x.toml", "equipment.toml"]
    text = (tmp_path / "equipment.toml").read_text(encoding="utf-8")
    assert text.count('profile = "meter-x"') == 2
    assert "unit = 2" in text
    assert "二号表" in text


def test_it_is_added_to_a_site_that_then_runs(tmp_path):
    site = tmp_path / "site"
    shutil.copytree(DEMO, site)
    before = (site / "equipment.toml").read_text(encoding="utf-8")
    done = import_points(
        xlsx(tmp_path / "点表.xlsx", CHINESE), site, Wish("meter-x", "lv_meter", "192.0.2.7", 502, Options())
    )
    assert done.findings == []
    loaded = load(site)
    assert loaded.site.devices["meter-x-unit"].points == tuple(
        f"meter-x/{p}" for p in ("v_an", "i_a", "p_total", "energy_import")
    )
    assert loaded.site.lines["meter-x-line"].host == "192.0.2.7"
    assert (site / "equipment.toml").read_text(encoding="utf-8").startswith(before.rstrip("\n"))
    again = imported(tmp_path / "点表.xlsx", site)
    assert any("is there already" in en for _, en in told(again))


def test_a_disk_that_fails_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    site = tmp_path / "site"
    shutil.copytree(DEMO, site)
    before = {p: p.read_bytes() for p in site.rglob("*") if p.is_file()}
    replace = Path.replace

    def fails(self, target):
        if Path(target).name == "equipment.toml":
            raise OSError(28, os.strerror(28), str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="No space"):
        imported(xlsx(tmp_path / "点表.xlsx", CHINESE), site)
    assert {p: p.read_bytes() for p in site.rglob("*") if p.is_file()} == before


def test_words_of_makers():
    assert kind_and_order("FLOAT (CDAB)") == ("f32", "CDAB")
    assert kind_and_order("Float32 inverse") == ("f32", "CDAB")
    assert kind_and_order("UINT32-3412") == ("u32", "CDAB")
    assert kind_and_order("UINT16(只读)") == ("u16", None)
    assert kind_and_order("32位无符号整数") == ("u32", None)
    assert kind_and_order("Unsigned Int16") == ("u16", None)
    assert kind_and_order("text") == (None, None)
    assert [function_of(w) for w in ("03", "0x04", "FC3", "03H", "3/6", "保持寄存器", "线圈", "Discrete Input")] == [
        3, 4, 3, 3, 3, 3, 1, 2,
    ]  # fmt: skip
    assert [function_of(w) for w in ("06", "16", "5", "write", "")] == [None] * 5
    assert [scale_of(w) for w in ("0.1", "×0.1", "*10", "/10", "÷10", "1/10", "10^-2")] == [
        0.1, 0.1, 10.0, 0.1, 0.1, 0.1, 0.01,
    ]  # fmt: skip
    assert [scale_of(w) for w in ("0", "x", "1,5", "")] == [None] * 4
    assert unit_factor("W", "kW") == 0.001
    assert unit_factor("℃", "°C") == 1.0
    assert unit_factor("°F", "°C") is None
