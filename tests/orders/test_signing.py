"""WeChat Pay's own vectors, and everything that must not pass for them."""

import json

import pytest

from orders.payments import signing
from tests.orders.vectors import AES_GCM_JAVA, NOTIFICATION

AT = 1_624_523_846
SERIAL = NOTIFICATION["headers"]["Wechatpay-Serial"]
BODY = NOTIFICATION["body"].encode()
KEYS = {SERIAL: NOTIFICATION["certificate"]}


def check(headers=NOTIFICATION["headers"], body=BODY, keys=KEYS, now=AT):
    signing.verify(headers, body, keys, now=now)


def test_the_known_notification_verifies_and_opens():
    check()
    resource = json.loads(NOTIFICATION["body"])["resource"]
    sealed = (resource["nonce"], resource["associated_data"], resource["ciphertext"])
    assert signing.decrypt(NOTIFICATION["api_v3_key"], *sealed).decode() == NOTIFICATION["plaintext"]


def test_the_known_resource_opens_under_a_key_of_32_bytes():
    resource = {"algorithm": signing.ALGORITHM} | AES_GCM_JAVA
    assert signing.unseal(resource, AES_GCM_JAVA["key"]).decode() == AES_GCM_JAVA["plaintext"]


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_within_five_minutes_it_holds(seconds):
    check(now=AT + seconds)


@pytest.mark.parametrize("seconds", [-86_400, -300, 300, 86_400])
def test_older_or_earlier_it_does_not(seconds):
    with pytest.raises(signing.NotSigned):
        check(now=AT + seconds)


@pytest.mark.parametrize("name", signing.HEADERS)
def test_every_header_is_needed(name):
    with pytest.raises(signing.NotSigned):
        check({key: value for key, value in NOTIFICATION["headers"].items() if key != name})
    with pytest.raises(signing.NotSigned):
        check(NOTIFICATION["headers"] | {name: ""})


@pytest.mark.parametrize(
    "changed",
    [
        {"Wechatpay-Serial": "0000"},
        {"Wechatpay-Nonce": "EcZ9Cmy4Xyx1i6RlJQzLcCyEqDa26NBy"},
        {"Wechatpay-Timestamp": "1624523847"},
        {"Wechatpay-Timestamp": "1624523846.0"},
        {"Wechatpay-Timestamp": "١٦٢٤٥٢٣٨٤٦"},
        {"Wechatpay-Timestamp": "now"},
        {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/tJHIiIS9eB2hAYstmAmbbD3ZE5LiIm"},
        {"Wechatpay-Signature": "not base64"},
        {"Wechatpay-Signature": "bm90IGEgc2lnbmF0dXJl"},
        {"Wechatpay-Signature": NOTIFICATION["headers"]["Wechatpay-Signature"][::-1]},
    ],
)
def test_a_changed_header_does_not_pass(changed):
    with pytest.raises(signing.NotSigned):
        check(NOTIFICATION["headers"] | changed)


@pytest.mark.parametrize("name", signing.HEADERS)
def test_no_changed_byte_of_a_header_passes(name):
    value = NOTIFICATION["headers"][name]
    for position, byte in enumerate(value):
        for other in {chr(ord(byte) ^ 1), chr(ord(byte) ^ 32), "A", "=", ""} - {byte}:
            with pytest.raises(signing.NotSigned):
                check(NOTIFICATION["headers"] | {name: value[:position] + other + value[position + 1 :]})


def test_a_signature_has_one_spelling():
    signature = NOTIFICATION["headers"]["Wechatpay-Signature"]
    assert signature.endswith("Q==")  # whose last four bits say nothing
    for other in (signature[:-3] + "R==", signature[:-2], signature + "==", signature + "\n"):
        with pytest.raises(signing.NotSigned):
            check(NOTIFICATION["headers"] | {"Wechatpay-Signature": other})


@pytest.mark.parametrize("algorithm", ["WECHATPAY2-SM2-WITH-SM3", "", "none"])
def test_another_algorithm_does_not_pass(algorithm):
    check(NOTIFICATION["headers"] | {"Wechatpay-Signature-Type": signing.SCHEME})
    with pytest.raises(signing.NotSigned):
        check(NOTIFICATION["headers"] | {"Wechatpay-Signature-Type": algorithm})


def test_out_of_its_certificates_time_nothing_passes():
    late = AT + 10 * 366 * 86_400
    with pytest.raises(signing.NotSigned, match="expired"):
        check(NOTIFICATION["headers"] | {"Wechatpay-Timestamp": str(late)}, now=late)


def test_no_changed_byte_of_the_body_passes():
    for position in range(len(BODY)):
        changed = BODY[:position] + bytes([BODY[position] ^ 1]) + BODY[position + 1 :]
        with pytest.raises(signing.NotSigned):
            check(body=changed)
    for longer in (BODY + b"\n", b" " + BODY, BODY[:-1], b""):
        with pytest.raises(signing.NotSigned):
            check(body=longer)


@pytest.mark.parametrize(
    "changed",
    [
        {"algorithm": "AEAD_SM4_GCM"},
        {"algorithm": None},
        {"nonce": "uluk4a9R25RX"},
        {"nonce": None},
        {"nonce": ""},
        {"associated_data": "other"},
        {"associated_data": 7},
        {"ciphertext": "vlwSiIajGClcvcOYvOQ7+l+0PAbzzwI="},
        {"ciphertext": "junk"},
        {"ciphertext": "茶"},
        {"ciphertext": None},
    ],
)
def test_a_changed_resource_does_not_open(changed):
    with pytest.raises(signing.NotSigned):
        signing.unseal({"algorithm": signing.ALGORITHM} | AES_GCM_JAVA | changed, AES_GCM_JAVA["key"])


@pytest.mark.parametrize("resource", [None, [], "text", {}])
def test_what_is_no_resource_does_not_open(resource):
    with pytest.raises(signing.NotSigned):
        signing.unseal(resource, AES_GCM_JAVA["key"])


def test_a_key_that_is_not_32_bytes_opens_nothing():
    resource = json.loads(NOTIFICATION["body"])["resource"]
    with pytest.raises(signing.NotSigned):
        signing.unseal(resource, NOTIFICATION["api_v3_key"])


def test_a_signature_of_ours_verifies_under_its_public_key(rsa_pair):
    private, public = rsa_pair
    message = signing.lines("1624523846", "nonce", b"{}")
    headers = dict(zip(signing.HEADERS, ("1", signing.sign(message, private), str(AT), "nonce"), strict=True))
    check(headers, b"{}", {"1": public})
