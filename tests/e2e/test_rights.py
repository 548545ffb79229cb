"""Who may do what: any local user resolves for itself and sees its own; root, the service's user and the
group itexd do the rest."""

from __future__ import annotations

import grp
import os

import pytest
from harness import NOBODY, Code, Refused, memfd, pb, resolve_message, rule_files

pytestmark = pytest.mark.usefixtures("as_root")
OTHER = 65533


@pytest.fixture
def nobody(itexd):
    with itexd.client(uid=NOBODY) as client:
        yield client


def test_any_user_may_resolve_and_is_recorded_as_itself(nobody):
    decision = nobody.resolve(declared={"keras": "0"})
    assert decision.peer.uid == NOBODY


def test_any_user_sees_status_and_rules(nobody):
    assert nobody.ok("status").state == "ok"
    assert nobody.ok("rules_list").sets
    assert nobody.ok("rules_show").total > 0


def test_a_user_sees_its_own_decisions_only(itexd, nobody, client):
    mine = nobody.resolve(declared={"keras": "0"})
    roots = client.resolve(declared={"keras": "0"})
    with itexd.client(uid=OTHER) as other:
        theirs = other.resolve(declared={"keras": "0"})
    assert nobody.ok("explain", decision=mine.id).id == mine.id
    for foreign in (roots, theirs):
        error = nobody.error("explain", decision=foreign.id)
        assert error.code in (Code.NOT_PERMITTED, Code.NOT_FOUND)
    assert [d.id for d in nobody.ok("query", limit=100).decisions] == [mine.id]
    assert len(client.ok("query", limit=100).decisions) == 3


def test_asking_for_anothers_is_not_permitted(nobody):
    assert nobody.error("query", uid=OTHER, limit=10).code == Code.NOT_PERMITTED
    assert nobody.ok("query", uid=NOBODY, limit=10) is not None


@pytest.mark.parametrize("body", ["rules_activate", "rules_rollback", "reload"])
def test_what_changes_the_service_is_not_permitted(nobody, body):
    error = nobody.error(body)
    assert error.code == Code.NOT_PERMITTED
    assert "itexd" in error.text, "names the group that may"


def test_loading_rules_is_not_permitted(nobody):
    fd = memfd(rule_files({"10-x.yaml": "x"}))
    assert nobody.error("rules_load", fds=[fd], name="x").code == Code.NOT_PERMITTED
    os.close(fd)


def test_backup_is_not_permitted(itexd, nobody):
    fd = os.open(itexd.directory / "copy", os.O_RDWR | os.O_CREAT, 0o600)
    assert nobody.error("backup", fds=[fd]).code == Code.NOT_PERMITTED
    os.close(fd)


def test_accepting_and_reporting_for_another_is_not_permitted(itexd, nobody):
    with itexd.client(uid=OTHER) as other:
        theirs = other.resolve(declared={"keras": "0"})
    for body, fields in (
        ("accept", {"request_id": theirs.request_id, "decision": theirs.id}),
        ("report", {"decision": theirs.id, "mode": "npd", "devices": 0}),
    ):
        assert nobody.error(body, **fields).code in (Code.NOT_PERMITTED, Code.NOT_FOUND)


def test_only_the_job_and_what_it_started_reports(itexd, as_root):
    """The same user is not enough: another job of that user would report in its place."""
    receiver, sender = os.pipe()
    job = os.fork()
    if job == 0:
        status = 1
        try:
            with itexd.client() as client:
                os.write(sender, str(client.resolve(declared={"keras": "0"}).id).encode())
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(job, 0)[1] == 0
    decision = int(os.read(receiver, 20))
    os.close(receiver)
    os.close(sender)
    with itexd.client() as client:
        error = client.error("report", decision=decision, mode="npd", devices=0)
    assert error.code == Code.NOT_PERMITTED


def test_a_holder_of_another_user_is_refused(itexd, nobody):
    error = nobody.error("resolve", resolve_message(holder=pb.Holder(pid=os.getpid())))
    assert error.code == Code.NOT_PERMITTED


def test_the_services_own_user_administrates(make_itexd):
    service = make_itexd(user=NOBODY).start()
    with service.client(uid=NOBODY) as own:
        own.ok("reload")
    with service.client(uid=OTHER) as other:
        assert other.error("reload").code == Code.NOT_PERMITTED


def test_root_administrates_a_service_of_another_user(make_itexd):
    service = make_itexd(user=NOBODY).start()
    with service.client() as root:
        root.ok("reload")


def test_a_member_of_the_group_administrates(make_itexd):
    """By a supplementary group, which SO_PEERCRED alone would not show."""
    group = next((g for g in grp.getgrall() if g.gr_name == "daemon"), None)
    if group is None:
        pytest.skip("no group named daemon")
    service = make_itexd({"group": "daemon"}).start()
    with service.client(uid=NOBODY, groups=[group.gr_gid]) as member:
        member.ok("reload")
    with service.client(uid=NOBODY) as stranger:
        assert stranger.error("reload").code == Code.NOT_PERMITTED


def test_locked_forbids_to_weaken(make_itexd):
    service = make_itexd({"locked": True}).start()
    with service.client(uid=NOBODY) as client:
        for weaker in ({"policy": "advise"}, {"apply_errors": True}):
            with pytest.raises(Refused) as refused:
                client.resolve(declared={"keras": "0"}, **weaker)
            assert refused.value.code == Code.LOCKED
        assert client.resolve(declared={"keras": "0"}, policy="enforce").outcome.verdict == "fixed"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["status"], 0),
        (["query"], 0),
        (["query", "--uid", "0"], 77),
        (["rules", "list"], 0),
        (["rules", "reload"], 77),
        (["rules", "rollback"], 77),
        (["rules", "activate", "1"], 77),
    ],
)
def test_itexctl_of_another_user(itexd, arguments, status):
    result = itexd.ctl(*arguments, user=NOBODY)
    assert result.returncode == status, result.stderr
    if status:
        assert len(result.stderr.strip().splitlines()) == 1


def test_the_database_is_not_for_everyone(itexd):
    assert itexd.database.stat().st_mode & 0o007 == 0
