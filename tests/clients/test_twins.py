"""The two clients are one: the same core, the same types; nothing newer than phones understand."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config.contract import document
from sync.http.problems import CODES
from tests.clients.twins import BROWSER, MINI_PROGRAM, TYPES, core_of
from tests.clients.typed import shown, written

HERE = Path(__file__).resolve().parent
NEWER = re.compile(r"\?\.|\?\?|\bglobalThis\b|\bfetch\(|new WebSocket|localStorage\b(?!,)|#\w+\(|\bimport\b \{")
USE = """
import { HubClient, HubError } from "./hub-client.js";
const hub = new HubClient({ channel: "website" });
const silence: () => void = hub.on("event", (event) => {
  if (event.type === "order.paid") event.data.total_fen.toFixed();
  if (event.type === "points.earned") event.data.balance.available.toFixed();
});
export async function use(file: Blob): Promise<string[]> {
  silence();
  const numbers: string[] = [];
  for await (const order of hub.orders({ status: "paid", limit: 5 })) numbers.push(order.number);
  for await (const event of hub.events(7)) numbers.push(event.sequence);
  await hub.uploadAvatar(file);
  // @ts-expect-error: no such way to pay
  await hub.pay("1", "cash");
  // @ts-expect-error: the nickname is a text
  await hub.updateMe({ nickname: 1 });
  return hub.signInByPhone("c", "1").then(() => numbers, (error: unknown) => {
    if (error instanceof HubError && error.code === "consent_required") return [error.problem.registration_token ?? ""];
    throw error;
  });
}
"""


def methods(text: str) -> set[str]:
    """The public methods and getters of HubClient, in JavaScript or in its types."""
    body = re.search(r"^(?:export )?class HubClient .*?^}", text, re.MULTILINE | re.DOTALL).group()
    found = re.findall(r"^  (?:async |get |readonly )?([a-z]\w*)(?:<[^>]*>)?[(:]", body, re.MULTILINE)
    return set(found) - {"constructor"}


def test_both_have_one_core():
    assert core_of(BROWSER) == core_of(MINI_PROGRAM), "python -m tests.clients.twins copies it"


def test_the_core_needs_neither_a_browser_nor_a_new_language():
    found = [line.strip() for line in core_of(BROWSER).splitlines() if NEWER.search(line.partition(" // ")[0])]
    assert [line for line in found if not line.startswith("*")] == []


def test_every_method_has_a_type_and_every_type_a_method():
    fields = {"channel", "base", "language", "live", "on"}
    assert methods(BROWSER.read_text("utf-8")) | fields == methods(TYPES.read_text("utf-8")) | fields


def test_every_method_is_called_at_a_running_hub():
    """`start` and `stop` of the socket, `on` and `request` are under every one of these."""
    told = "".join(path.read_text("utf-8") for path in [*HERE.glob("test_hub*.py"), HERE / "people.py"])
    called = set(re.findall(r'(?:call|begin|refused)\((?:\w+, )?"(\w+)"', told))
    assert methods(BROWSER.read_text("utf-8")) - {"request", "signedIn", "memberId"} - called == set()


def test_the_types_are_those_of_the_contract_that_the_hub_serves():
    assert shown() == written(document()), "python -m tests.clients.typed writes them"


def test_every_code_of_the_contract_has_a_type():
    assert [code for code in CODES if f'"{code}"' not in TYPES.read_text("utf-8")] == []


def test_the_types_are_right(tmp_path):
    compiler = shutil.which("tsc")
    if compiler is None:
        pytest.skip("TypeScript's compiler checks the types and is not here: npm install --global typescript")
    (tmp_path / "hub-client.d.ts").write_bytes(TYPES.read_bytes())
    (tmp_path / "use.ts").write_text(USE, "utf-8")
    asked = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "use.ts"]
    found = subprocess.run([compiler, *asked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.stdout == ""
