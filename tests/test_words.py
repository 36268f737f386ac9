"""Whoever reads Chinese reads only Chinese: every text of the code has its translation, compiled and fitting."""

import re
from io import BytesIO

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.utils import translation

from tests import words

PLACE = re.compile(r"%\(\w+\)[.\d]*\w|%[sd]|{\w*}")


@pytest.mark.parametrize("app", words.APPS)
def test_every_text_has_its_chinese(app):
    known = words.catalogue(app)
    assert sorted(word for word in words.of_app(app) if not known.get(word)) == []


@pytest.mark.parametrize("app", words.APPS)
def test_what_a_translation_fills_in_is_what_the_text_fills_in(app):
    for word, chinese in words.catalogue(app).items():
        assert sorted(PLACE.findall(word)) == sorted(PLACE.findall(chinese)), word


@pytest.mark.parametrize("app", words.APPS)
def test_what_is_compiled_is_what_is_written(app):
    folder = words.ROOT / app / "locale" / "zh_Hans" / "LC_MESSAGES"
    with (folder / "django.po").open("rb") as po:
        written = read_po(po, locale="zh_Hans")
    compiled = BytesIO()
    write_mo(compiled, written)
    assert (folder / "django.mo").read_bytes() == compiled.getvalue()


def test_one_text_means_one_thing_in_every_app():
    chinese: dict[str, str] = {}
    for app in words.APPS:
        for word, meaning in words.catalogue(app).items():
            assert chinese.setdefault(word, meaning) == meaning, word


@pytest.mark.parametrize("app", words.APPS)
def test_our_word_wins_over_those_of_other_packages(app):
    with translation.override("zh-hans"):
        for word, meaning in words.catalogue(app).items():
            context, _end, text = word.rpartition(words.CONTEXT_ENDS)
            served = translation.pgettext(context, text) if context else translation.gettext(text)
            assert served == meaning, word


def test_chinese_is_what_is_served_unless_english_is_asked_for():
    with translation.override("zh-hans"):
        assert translation.gettext("There are not enough points") == "积分不足"
        assert translation.gettext("Log out") == "退出登录"
    with translation.override("en"):
        assert translation.gettext("There are not enough points") == "There are not enough points"
