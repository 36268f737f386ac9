"""Many parcels by spreadsheet: judged before, each line once ever, whatever is killed or sent again."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from orders.models import Intervention, Order, Shipment, ShippingFile, ShippingRow
from orders.services import shipping_files
from orders.services.shipping_lines import words_of
from sync import spreadsheets
from sync.act import Actor
from tests import make
from tests.config import make_staff
from tests.orders import make_orders, make_staff_work
from tests.orders.make_pages import said

pytestmark = pytest.mark.django_db
HEADER = "订单号,快递公司,运单号,商品\n"


@pytest.fixture
def packer():
    make_staff_work.carrier()
    return make_staff.person("administrator", [make.channel()])


def paid(**fields) -> Order:
    return make_staff_work.paid(make_orders.order(**fields))


def bring(packer, text: str | bytes) -> ShippingFile:
    content = text if isinstance(text, bytes) else text.encode()
    among, by = Order.objects.all(), Actor("staff", str(packer.pk))
    return shipping_files.bring(name="p.csv", content=content, among=among, channels=["website"], by=by)


def run(packer, file: ShippingFile) -> ShippingFile:
    shipping_files.run(file=file.pk, reason="一号仓", by=Actor("staff", str(packer.pk)))
    shipping_files.run_due()
    file.refresh_from_db()
    return file


def states(file: ShippingFile) -> list[str]:
    return list(file.rows.order_by("line").values_list("state", flat=True))


def test_each_line_is_shipped_once_with_its_reason(packer):
    one, two = paid(), paid()
    text = f"{HEADER}{one.number},顺丰,SF1,\n{two.external_id},顺丰速运,SF2,\n"
    file = run(packer, bring(packer, text))
    assert (file.state, states(file)) == ("done", ["shipped", "shipped"])
    assert {each.tracking_number for each in Shipment.objects.all()} == {"SF1", "SF2"}
    assert [each.reason for each in Intervention.objects.all()] == ["一号仓"] * 2


def test_the_same_lines_again_change_nothing(packer):
    order = paid()
    text = f"{HEADER}{order.number},顺丰,SF1,\n"
    run(packer, bring(packer, text))
    before = Order.objects.get(pk=order.pk).version
    again = run(packer, bring(packer, text))
    assert (again.state, states(again)) == ("done", ["known"])
    assert (Shipment.objects.count(), Intervention.objects.count()) == (1, 1)
    assert Order.objects.get(pk=order.pk).version == before


def test_a_file_that_was_killed_goes_on_where_it_was(packer):
    orders = [paid() for _each in range(3)]
    file = bring(packer, HEADER + "".join(f"{it.number},顺丰,SF{n},\n" for n, it in enumerate(orders)))
    shipping_files.run(file=file.pk, reason="x", by=Actor("staff", str(packer.pk)))
    first = file.rows.order_by("line").first()
    assert shipping_files.ship_row(row=first.pk) == 1
    assert shipping_files.ship_row(row=first.pk) == 0
    assert shipping_files.run_due() == 2
    file.refresh_from_db()
    assert (file.state, Shipment.objects.count()) == ("done", 3)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("D2026010100000001,顺丰,SF1,", "unknown"),
        (",顺丰,SF1,", "unnamed"),
        ("{unpaid},顺丰,SF1,", "unpaid"),
        ("{paid},,SF1,", "carrier"),
        ("{paid},顺丰,,", "missing"),
        ("{paid},顺丰,7.31234E+14,", "rounded"),
        ("{paid},顺丰,号码!,", "waybill"),
        ("{paid},顺丰,SF1,COFFEE×1", "items"),
        ("{paid},顺丰,SF1,TEA-1×9", "excess"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_in_words(packer, line, problem):
    known = {"paid": paid().number, "unpaid": make_orders.order().number}
    row = bring(packer, HEADER + line.format(**known) + "\n").rows.get()
    assert (row.state, row.problem) == ("wrong", problem)
    assert words_of(problem) != problem


def test_the_same_line_twice_in_a_file_is_told(packer):
    order = paid()
    file = bring(packer, f"{HEADER}{order.number},顺丰,SF1,\n{order.number},顺丰,SF1,\n")
    assert [each.problem for each in file.rows.order_by("line")] == ["", "repeated"]


def test_an_order_is_split_over_parcels(packer):
    order = make_staff_work.paid(make_orders.order(items=[make_orders.item(100, 3)]))
    text = f"{HEADER}{order.number},顺丰,SF1,TEA-1×2\n{order.number},顺丰,SF2,TEA-1*1\n"
    file = run(packer, bring(packer, text))
    assert states(file) == ["shipped", "shipped"]
    order.refresh_from_db()
    assert order.fulfilment_status == "shipped"


def test_what_changed_since_it_was_looked_at_fails_alone(packer):
    one, two = paid(), paid()
    file = bring(packer, f"{HEADER}{one.number},顺丰,SF1,\n{two.number},顺丰,SF2,\n")
    make_staff_work.shipped(one, "SF9")
    run(packer, file)
    assert states(file) == ["failed", "shipped"]
    assert file.rows.get(state="failed").problem


def xlsx(rows: list[list[str]], sheet: str = "") -> bytes:
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>" for row in rows
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    book, parts = (
        io.BytesIO(),
        {
            "xl/workbook.xml": f'<workbook xmlns:r="{rel}"><sheets><sheet r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": '<Rels><Relationship Id="r1" Target="worksheets/s.xml"/></Rels>',
            "xl/worksheets/s.xml": sheet or f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
        },
    )
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return book.getvalue()


def test_excel_and_gbk_are_read_alike(packer):
    order = paid()
    table = [["订单号", "快递公司", "运单号"], [order.number, "顺丰", "SF1"]]
    text = "\n".join(",".join(row) for row in table)
    for content in (xlsx(table), text.encode("gb18030"), text.encode("utf-8-sig"), text.replace(",", "\t").encode()):
        assert bring(packer, content).rows.get().order_id == order.pk


def test_a_number_that_a_spreadsheet_rounded_is_seen():
    sheet = '<worksheet><sheetData><row r="1"><c r="B1"><v>731234567890123456</v></c><c r="D1"><v>42.0</v></c></row>'
    (_number, cells), *_rest = spreadsheets.rows(xlsx([], sheet + "</sheetData></worksheet>"))
    assert cells[0] == cells[2] == ""
    assert "E+" in cells[1]
    assert cells[3] == "42"


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 no zip at all",
        xlsx([], "<!DOCTYPE x [<!ENTITY a 'aa'>]><worksheet>&a;</worksheet>"),
        xlsx([], "<worksheet><sheetData>"),
        xlsx([], "<worksheet>" + " " * (65 * 1024 * 1024) + "</worksheet>"),
        b"\xff\xfe\x00\xd8",
        b"",
        b"x" * (9 * 1024 * 1024),
        "订单号,备注\n1,2\n".encode(),
    ],
    ids=["no zip", "entities", "cut off", "a bomb", "no encoding", "empty", "too big", "no carrier"],
)
def test_a_bad_file_is_refused(packer, content):
    before = make.snapshot()
    with pytest.raises(spreadsheets.BadFile):
        bring(packer, content)
    assert make.snapshot() == before


def test_the_pages_lead_from_the_file_to_its_result(packer):
    browser = make_staff.Client()
    browser.force_login(packer, backend="django.contrib.auth.backends.ModelBackend")
    order = paid()
    content = f"{HEADER}{order.number},顺丰,SF1,\nD1,顺丰,SF2,\n".encode()
    path = reverse("admin:orders_shippingfile_bring")
    answer = browser.post(path, {"file": SimpleUploadedFile("批次.csv", content)})
    assert answer.status_code == 302
    assert words_of("unknown") in said(browser.get(answer["Location"]))
    file = ShippingFile.objects.get()
    act = reverse("admin:orders_shippingfile_act", args=[file.pk, "run"])
    browser.post(act, {"reason": ""})
    assert ShippingFile.objects.get().state == "draft"
    browser.post(act, {"reason": "一号仓"})
    shipping_files.run_due()
    assert browser.get(reverse("admin:orders_shippingfile_progress", args=[file.pk])).json()["shipped"] == 1
    result = browser.get(reverse("admin:orders_shippingfile_result", args=[file.pk])).content.decode("utf-8-sig")
    assert order.number in result
    assert ShippingRow.objects.filter(state="shipped").count() == 1
    assert "顺丰速运" in browser.get(reverse("admin:orders_shippingfile_sample")).content.decode("utf-8-sig")


def test_who_may_not_ship_brings_no_file(packer):
    looker = make_staff.signed_in("operator", [make.channel()])
    assert looker.get(reverse("admin:orders_shippingfile_bring")).status_code == 403
    assert looker.get(reverse("admin:orders_shippingfile_sample")).status_code == 403
    file = bring(packer, f"{HEADER}{paid().number},顺丰,SF1,\n")
    assert looker.post(reverse("admin:orders_shippingfile_act", args=[file.pk, "run"])).status_code == 403
    colleague = make_staff.signed_in("administrator", [make.channel()])
    colleague.post(reverse("admin:orders_shippingfile_act", args=[file.pk, "run"]), {"reason": "x"})
    assert ShippingFile.objects.get().state == "draft"
