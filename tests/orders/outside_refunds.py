"""Refunds at the WeChat Pay of the tests: once per number, refused or stuck to order."""

import json

from tests import make


class Refunds:
    """Refunds by out_refund_no; `refusing` is (status, code) that calls are refused with, `state` what new ones are."""

    def __init__(self):
        self.known: dict[str, dict] = {}
        self.refusing: tuple[int, str] | None = None
        self.state = "PROCESSING"
        self.changed: dict = {}  # in what is told

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict]:
        """POST /v3/refund/domestic/refunds, or GET …/{out_refund_no}."""
        if method == "POST" and self.refusing:
            status, code = self.refusing
            return status, {"code": code, "message": "拒绝"}
        number = json.loads(body)["out_refund_no"] if method == "POST" else path.rpartition("/")[2]
        if method == "POST" and number not in self.known:
            self.known[number] = json.loads(body) | {"status": self.state}
        if number not in self.known:
            return 404, {"code": "RESOURCE_NOT_EXISTS", "message": "退款单不存在"}
        return 200, self.told(number)

    def told(self, number: str, **changed) -> dict:
        """A refund as queries tell it."""
        known = self.known[number]
        amount = {name: known["amount"][name] for name in ("refund", "total", "currency")}
        shown = {"refund_id": f"50{number[-12:]}", "out_refund_no": number, "transaction_id": known["transaction_id"]}
        shown |= {"status": known["status"], "amount": amount}
        if known["status"] == "SUCCESS":
            shown["success_time"] = make.NOON.isoformat()
        return shown | self.changed | changed

    def end(self, number: str, state: str = "SUCCESS", *, mchid: str, **changed) -> dict:
        """It ends like this; what its notification says."""
        self.known[number]["status"] = state
        told = self.told(number)
        return {name: value for name, value in told.items() if name != "status"} | {
            "refund_status": state, "mchid": mchid, "user_received_account": "招商银行信用卡0403"
        } | changed  # fmt: skip
