"""Tenants never see each other: every route, every method, with another tenant's ids."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from werkzeug.routing import Rule

from tests.api.conftest import SOUND, Client, Hands, Server, narrate

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ARTEFACT = "alice's book.m4b"


def alices(everywhere: Server) -> tuple[Client, dict[str, str]]:
    """Alice's client and her jobs, by state; the one that succeeded has a file."""
    alice, hands = everywhere.as_tenant("alice"), Hands(everywhere.office)
    jobs = {"succeeded": narrate(alice, title="alice's secret")}
    hands.finish(name=ARTEFACT)
    jobs["failed"] = narrate(alice, title="alice's secret")
    hands.fail()
    jobs["running"] = narrate(alice, title="alice's secret")
    hands.plan()
    jobs["paused"] = narrate(alice, title="alice's secret")
    hands.plan()
    assert alice.post(f"/v1/jobs/{jobs['paused']}/pause").status_code == 202
    jobs["queued"] = narrate(alice, title="alice's secret")
    return alice, jobs


def routes_with_ids(server: Server) -> list[Rule]:
    return [rule for rule in server.app.url_map.iter_rules() if "job_id" in rule.arguments]


def address(rule: Rule, job_id: str) -> str:
    return rule.rule.replace("<job_id>", job_id).replace("<name>", quote(ARTEFACT))


def test_a_strangers_key_finds_nothing_on_any_route(everywhere: Server) -> None:
    alice, jobs = alices(everywhere)
    stranger = everywhere.as_tenant("mallory")
    before = {state: alice.get(f"/v1/jobs/{job_id}").json for state, job_id in jobs.items()}
    rules = routes_with_ids(everywhere)
    assert len(rules) >= 7
    n_asked = 0
    for rule in rules:
        for method in METHODS:
            served = method in (rule.methods or ())
            for job_id in jobs.values():
                answer = stranger.open(address(rule, job_id), method=method)
                assert answer.status_code == (404 if served else 405), (method, rule.rule)
                assert b"secret" not in answer.data
                assert SOUND[:64] not in answer.data
                n_asked += 1
    assert n_asked == len(rules) * len(METHODS) * len(jobs)
    after = {state: alice.get(f"/v1/jobs/{job_id}").json for state, job_id in jobs.items()}
    for state in jobs:
        assert {**after[state], "progress": None} == {**before[state], "progress": None}


def test_a_strangers_answer_is_that_for_an_id_of_nobody(everywhere: Server) -> None:
    _, jobs = alices(everywhere)
    stranger = everywhere.as_tenant("mallory")
    nobody = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    for rule in routes_with_ids(everywhere):
        method = "POST" if "POST" in (rule.methods or ()) else "GET"
        answers = [stranger.open(address(rule, job_id), method=method) for job_id in (nobody, *jobs.values())]
        assert len({(answer.status_code, answer.data) for answer in answers}) == 1


def test_the_same_walk_with_the_owners_key_finds_everything(everywhere: Server) -> None:
    """So that the walk above cannot pass by asking wrongly."""
    alice, jobs = alices(everywhere)
    for rule in routes_with_ids(everywhere):
        if "GET" in (rule.methods or ()):
            answer = alice.open(address(rule, jobs["succeeded"]), method="GET")
        else:
            verb = rule.rule.rpartition("/")[2]
            fit = {"cancel": "queued", "pause": "running", "resume": "paused", "retry": "failed"}[verb]
            answer = alice.open(address(rule, jobs[fit]), method="POST")
        assert answer.status_code in {200, 202}, (rule.rule, answer.text)


def test_nothing_of_another_tenant_stands_in_a_list(everywhere: Server) -> None:
    _, jobs = alices(everywhere)
    stranger = everywhere.as_tenant("mallory")
    own = narrate(stranger)
    queries = ["", "?limit=100", *(f"?state={state}" for state in jobs), f"?cursor={max(jobs.values())}"]
    for query in queries:
        shown: dict[str, Any] = stranger.get(f"/v1/jobs{query}").json
        assert {job["id"] for job in shown["jobs"]} <= {own}
    assert [job["id"] for job in stranger.get("/v1/jobs").json["jobs"]] == [own]


def test_nothing_of_another_tenant_stands_in_the_events(everywhere: Server) -> None:
    _, jobs = alices(everywhere)
    stranger = everywhere.as_tenant("mallory")
    own = narrate(stranger)
    stranger.post(f"/v1/jobs/{own}/cancel")
    told = stranger.get(f"/v1/jobs/{own}/events", buffered=True).text
    assert told.count("id: ") == len(everywhere.ledger.jobs.events(everywhere.tenants["mallory"], own))
    assert not [job_id for job_id in jobs.values() if job_id in told]


def test_the_same_text_is_stored_for_each_tenant_apart(everywhere: Server) -> None:
    for name in ("alice", "mallory"):
        narrate(everywhere.as_tenant(name), text="The same words.")
    keys = [head.key for head in everywhere.office.objects.list("t/")]
    assert len(keys) == 2
    assert {key.split("/")[1] for key in keys} == set(everywhere.tenants.values())
