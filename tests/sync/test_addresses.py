"""Addresses outside: whatever a network is called, what is not public is refused."""

import pytest

from sync.addresses import Refused, is_internal, refuse_internal

INSIDE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.100.100.200",
    "127.8.8.8",
    "169.254.169.254",
    "168.63.129.16",
    "172.16.0.1",
    "192.0.0.192",
    "192.88.99.1",
    "192.168.1.1",
    "224.0.0.1",
    "240.0.0.1",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:5601:5601",
    "3fff::1",
    "fd00:ec2::254",
    "fc00::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.fixture(autouse=True)
def no_exceptions(settings):
    settings.INTERNAL_NETWORKS = []


@pytest.mark.parametrize("ip", INSIDE)
def test_what_is_not_public_is_internal(ip):
    assert is_internal(ip)


@pytest.mark.parametrize("ip", ["1.1.1.1", "2606:4700:4700::1111", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"])
def test_what_is_public_is_not(ip):
    assert not is_internal(ip)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "[::ffff:7f00:1]"])
def test_no_spelling_leads_inside(host):
    with pytest.raises(Refused):
        refuse_internal(f"http://{host}:80/")


def test_a_network_that_is_named_is_allowed(settings):
    settings.INTERNAL_NETWORKS = ["10.0.0.0/8"]
    assert not is_internal("10.1.2.3")
    assert not is_internal("::ffff:10.1.2.3")
    assert is_internal("192.168.1.1")
