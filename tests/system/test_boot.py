"""The machine itself: what the other tests rely on."""

from __future__ import annotations

import pytest
from machine import BUILD, Machine


def test_nothing_fails_at_boot(booted):
    assert booted.out("systemctl", "is-system-running") == "running"
    assert booted.out("cat", "/proc/1/comm") == "systemd"


def test_a_reboot_keeps_what_was_written(booted):
    """On a machine of its own, for it ends; the status is what the machine was told to end with."""
    with Machine() as other:
        other.boot()
        before = other.out("cat", "/proc/sys/kernel/random/boot_id")
        other.run("sh", "-c", "echo kept >/var/lib/kept; echo gone >/run/gone")
        assert other.shut_down(3) == 3
        other.boot()
        assert other.out("cat", "/var/lib/kept") == "kept"
        assert not other.path("/run/gone").exists()
        assert other.out("cat", "/proc/sys/kernel/random/boot_id") != before
    assert not other.directory.exists()


def test_commands_that_fail_or_hang_say_so(booted):
    with pytest.raises(AssertionError, match=r"ended with 3:\nsaid\n"):
        booted.run("sh", "-c", "echo said; exit 3")
    with pytest.raises(AssertionError, match="takes longer than 0.2 s"):
        booted.run("sleep", "60", timeout=0.2)


def test_this_machine_is_not_changed(booted):
    with Machine() as other:
        (other.root / "etc" / "written").write_text("there")
        other.install(BUILD)
        assert other.chroot("cat", "/etc/written").stdout == "there"
    assert not other.root.exists()
