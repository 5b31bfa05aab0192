"""No package of the lock files keeps Dahlia from being used and passed on: none is under the GPL or AGPL."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest

from dependencies.licences import declared, expression, licence_texts, problems, rules
from dependencies.lockfile import LOCK, Package, npm_locks, read_lock, read_npm_lock

PACKAGES = read_lock(LOCK)
SHIPPED = sorted({package.name for package in PACKAGES if not package.dev})


def installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def test_each_python_package_may_be_used() -> None:
    assert problems(PACKAGES, lambda package: declared(package.name)) == []
    assert len([name for name in SHIPPED if installed(name)]) > 200


def test_each_npm_package_may_be_used() -> None:
    for lock in npm_locks():
        packages = read_npm_lock(lock)
        assert packages
        assert problems(packages, lambda package: package.licence) == []


def test_each_package_with_the_text_of_the_gpl_is_listed_with_the_reason() -> None:
    texts = {name: licence_texts(name) for name in SHIPPED}
    found = {name for name, files in texts.items() if files}
    assert found - rules().bundled == set(), "Read what in them is under the GPL, then list or replace them."
    assert {"numpy", "pygit2", "grandalf"} <= found


def test_the_rules_name_only_packages_that_are_locked() -> None:
    named = {*rules().read, *rules().exceptions, *rules().bundled}
    assert named - {package.name for package in PACKAGES} == set()


def test_the_rules_name_only_what_packages_still_declare() -> None:
    expected = {name: (words,) for name, (words, _) in rules().read.items()} | rules().exceptions
    assert {name: declared(name) for name in expected if declared(name) not in expected[name]} == {}


@pytest.mark.parametrize(
    ("words", "spdx"),
    [
        ("MIT", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", "MPL-2.0 AND (Apache-2.0 OR MIT)"),
        ("License :: OSI Approved :: MIT License", "MIT"),
        (
            "License :: OSI Approved :: BSD License; License :: OSI Approved :: MIT License",
            "LicenseRef-BSD AND MIT",
        ),
        ("License :: OSI Approved :: MIT License; License :: Other/Proprietary License", ""),
        ("Copyright (c) 2015, matplotlib project", ""),
        ("Ask me", ""),
        ("", ""),
    ],
)
def test_declarations_in_many_words(words: str, spdx: str) -> None:
    assert expression(words) == spdx


@pytest.mark.parametrize(
    ("name", "words", "ships", "tests"),
    [
        ("one", "MIT", True, True),
        ("one", "MIT AND Apache-2.0 WITH LLVM-exception", True, True),
        ("one", "GPL-2.0-or-later OR EPL-2.0", True, True),
        ("one", "AGPL-3.0-only OR MIT", True, True),
        ("one", "MIT AND GPL-3.0-only", False, True),
        ("one", "GPL-3.0-only", False, True),
        ("one", "License :: OSI Approved :: GNU General Public License v2 (GPLv2)", False, True),
        ("one", "LGPL-3.0-only", False, True),
        ("one", "AGPL-3.0-only", False, False),
        ("one", "AGPL-3.0-or-later AND MIT", False, False),
        ("one", "LicenseRef-Proprietary", False, True),
        ("one", "Ask me", False, False),
        ("one", "", False, False),
        ("psycopg", "LGPL-3.0-only", True, True),
        ("psycopg", "GPL-3.0-only", False, True),
        ("huey", "", True, True),
        ("huey", "AGPL-3.0-only", False, False),
    ],
)
def test_what_may_ship_and_what_tests_may_use(name: str, words: str, ships: bool, tests: bool) -> None:
    for dev, fine in ((False, ships), (True, tests)):
        found = problems([Package(name, "1.0", dev=dev)], lambda _: words)
        assert (found == []) == fine, found
    refused = problems([Package("one", "1.0")], lambda _: "AGPL-3.0-only")
    assert refused[0].startswith(
        "one 1.0 declares 'AGPL-3.0-only', with which it may not ship. Read its licence"
    )


def test_what_is_not_installed_here_is_not_judged() -> None:
    assert declared("no-such-distribution") is None
    assert problems([Package("no-such-distribution", "1.0")], lambda package: declared(package.name)) == []
    assert licence_texts("no-such-distribution") == []
