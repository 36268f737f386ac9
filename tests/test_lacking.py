"""Nothing goes untested in silence where everything is to be shown."""

import pytest

from tests.clients import driving
from tests.docs import programs
from tests.engines import ROOT


@pytest.mark.parametrize("name", ["php", "node"])
def test_a_receiver_without_its_language_fails_in_ci_and_is_skipped_elsewhere(name, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match=f"RECEIVER IN {name.upper()} IS NOT TESTED.*apt-get install"):
        programs.command(name)
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="apt-get install"):
        programs.command(name)


def test_clients_without_node_fail_in_ci_and_are_skipped_elsewhere(monkeypatch):
    monkeypatch.setattr(driving, "NODE", None)
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match=r"CLIENTS TO COPY ARE NOT TESTED.*apt-get install nodejs"):
        driving.Place("browser")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="apt-get install nodejs"):
        driving.Place("browser")


def test_ci_says_that_it_is_ci_and_installs_what_it_can():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert script.index("export CI=1") < script.index("step make test")
    for program, package in (("php", "php-cli"), ("node", "nodejs"), ("curl", "curl")):
        assert f"command -v {program} >/dev/null || missing+=({package})" in script
