"""A hosted engine is asked where policy and consent say so, believed where the document bears it out, and never needed (S2, S9)."""

import datetime as dt
import hashlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hosted_help import agreeing, agrees, decided, decision_of, job_of, opened, printed, process, read, record_of, rows, unsure
from sqlalchemy import update
from structlog.testing import capture_logs

from akount.errors import Unreadable
from akount.hosted import gate, opinions
from akount.hosted.policies import Strategy
from akount.lifecycle import Runtime
from akount.models import HostedCall, HostedSpending, Job, JobStatus, Record, RecordStatus
from akount.readings import Line
from fakes import FakeReader
from make import reading, submitted
from people import People, settle_in
from providers import (
    COSTS,
    ENGINES,
    FAULTS,
    KEY,
    MODELS,
    Provider,
    act_of,
    form_of,
    says,
    spoken,
)
from shared import shared_url

every_engine = pytest.mark.parametrize("engine", ENGINES)
NOTHING = Unreadable("Nothing was found.", code="no_values")


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with Provider() as opened_server:
        yield opened_server


@pytest.fixture(scope="module", params=["sqlite"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def provider(server: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setattr(opinions, "PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return server


@pytest.fixture
def runtime(shared: str, tmp_path: Path, provider: Provider) -> Iterator[Runtime]:
    with opened(shared, tmp_path, provider) as runtime:
        yield runtime


@pytest.fixture
def people(runtime: Runtime) -> People:
    people = settle_in(runtime.database, unique=True)
    agrees(runtime, people.ada)
    return people


# --- what becomes of an answer ---


@every_engine
def test_what_both_say_becomes_a_draft_of_the_hosted_engine(
    runtime: Runtime, people: People, provider: Provider, engine: str
) -> None:
    decided(runtime, people.ada, engine, strategy=Strategy.BELOW)
    local = unsure(70)
    agreeing(provider, engine, local)
    job = read(runtime, people.ada, local)
    record, decision = record_of(runtime, job), decision_of(runtime, job)
    assert (record.status, record.engine, record.total_amount) == (RecordStatus.DRAFT, engine, 11900)
    assert record.model_version.startswith(MODELS[engine])
    assert (decision.engine, decision.engine_version, decision.cost) == (engine, record.model_version, COSTS[engine])
    assert decision.consent["hostedEngines"] is True
    (call,) = rows(runtime, HostedCall)
    (heard,) = provider.heard
    assert (call.outcome, call.cost, call.model) == ("answered", COSTS[engine], MODELS[engine])
    assert (call.sent_sha256, call.sent_bytes) == (hashlib.sha256(heard.body).hexdigest(), len(heard.body))
    assert KEY in heard.headers["Authorization"]


def test_the_model_is_not_asked_which_one_it_is(runtime: Runtime, people: People, provider: Provider) -> None:
    decided(runtime, people.ada, "mistral")
    agreeing(provider, "mistral", reading())
    job = read(runtime, people.ada, reading())
    assert "whatever" not in record_of(runtime, job).model_version


@pytest.mark.parametrize(
    ("strategy", "sure", "asked"),
    [("never", 20, 0), ("below", 79, 1), ("below", 80, 0), ("always", 99, 1)],
)
def test_the_policy_says_when(runtime: Runtime, people: People, provider: Provider, strategy: str, sure: int, asked: int) -> None:
    decided(runtime, people.ada, "mistral", strategy=Strategy(strategy), threshold=80)
    agreeing(provider, "mistral", reading())
    assert read(runtime, people.ada, unsure(sure)).status is JobStatus.COMPLETED
    assert len(provider.heard) == asked


def test_a_tenant_without_a_policy_sends_nothing(runtime: Runtime, people: People, provider: Provider) -> None:
    read(runtime, people.ada, unsure(20))
    assert provider.heard == []


def test_an_e_invoice_is_exact_and_not_shown(runtime: Runtime, people: People, provider: Provider) -> None:
    decided(runtime, people.ada, "mistral")
    read(runtime, people.ada, replace(reading(), engine="einvoice"))
    assert provider.heard == []


def test_a_total_that_only_the_model_says_is_for_a_person(runtime: Runtime, people: People, provider: Provider) -> None:
    decided(runtime, people.ada, "mistral")
    whole = reading()
    agreeing(provider, "mistral", whole)
    record = record_of(runtime, read(runtime, people.ada, reading(total=None, net=None, tax=None), printed(whole)))
    assert (record.status, record.total_amount, record.engine) == (RecordStatus.NEEDS_REVIEW, 11900, "mistral")
    assert record.evidence["totalAmount"]["text"].endswith("119.00")
    assert record.evidence["totalAmount"]["engine"] == "mistral"


@pytest.mark.parametrize("sure", [70, 95])
def test_where_the_two_differ_a_person_decides(runtime: Runtime, people: People, provider: Provider, sure: int) -> None:
    decided(runtime, people.ada, "mistral")
    local = unsure(sure)
    agreeing(provider, "mistral", local, net="100.00", tax="19.00", total="100.00")
    record = record_of(runtime, read(runtime, people.ada, local))
    assert record.status is RecordStatus.NEEDS_REVIEW
    assert any("Read differently" in warning and "total" in warning for warning in record.warnings)


def test_a_value_that_is_printed_nowhere_changes_nothing(runtime: Runtime, people: People, provider: Provider) -> None:
    decided(runtime, people.ada, "mistral")
    agreeing(provider, "mistral", reading(), total="777.77", due_date="2031-01-01")
    record = record_of(runtime, read(runtime, people.ada, reading()))
    assert (record.status, record.total_amount) == (RecordStatus.NEEDS_REVIEW, 11900)
    assert record.field_confidence["dueDate"] < 60
    assert record.evidence["dueDate"] is None


def test_a_document_that_nobody_here_can_read_is_read_by_the_hosted_engine(
    runtime: Runtime, people: People, provider: Provider
) -> None:
    decided(runtime, people.ada, "anthropic")
    whole = reading()
    agreeing(provider, "anthropic", whole)
    record = record_of(runtime, read(runtime, people.ada, NOTHING, printed(whole)))
    assert (record.status, record.total_amount, record.engine) == (RecordStatus.NEEDS_REVIEW, 11900, "anthropic")


@pytest.mark.parametrize("code", ["encrypted", "damaged", "too_many_pages", "malformed_xml"])
def test_a_file_that_is_not_well_is_shown_to_nobody(runtime: Runtime, people: People, provider: Provider, code: str) -> None:
    decided(runtime, people.ada, "mistral")
    job = read(runtime, people.ada, Unreadable("No.", code=code))
    assert (job.status, job.error_code) == (JobStatus.FAILED, code)
    assert provider.heard == []


def test_without_words_nothing_could_be_masked_so_nothing_is_sent(runtime: Runtime, people: People, provider: Provider) -> None:
    decided(runtime, people.ada, "mistral")
    record = record_of(runtime, read(runtime, people.ada, reading(), ""))
    assert provider.heard == []
    assert any("masked" in warning for warning in record.warnings)
    decided(runtime, people.ada, "mistral", masks=())
    agreeing(provider, "mistral", reading())
    read(runtime, people.ada, reading(), "")
    assert len(provider.heard) == 1


# --- every fault of every engine ---


@every_engine
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_is_wrong_with_it_the_local_reading_stands_and_says_so(
    runtime: Runtime, people: People, provider: Provider, engine: str, fault: str
) -> None:
    decided(runtime, people.ada, engine)
    provider.act = act_of(fault, engine)
    job = read(runtime, people.ada, reading())
    record = record_of(runtime, job)
    assert (job.status, job.attempts) == (JobStatus.COMPLETED, 1)
    assert (record.engine, record.total_amount, record.status) == ("fake", 11900, RecordStatus.NEEDS_REVIEW)
    assert any(engine in warning and "not used" in warning for warning in record.warnings)
    code, requests = FAULTS[fault][1:]
    calls = rows(runtime, HostedCall)
    assert len(provider.heard) == len(calls) == requests
    assert {call.outcome for call in calls} == {code or calls[0].outcome}
    assert all(call.cost is not None and call.ended_at is not None for call in calls)
    (spending,) = rows(runtime, HostedSpending)
    assert (spending.reserved, spending.spent) == (0, sum(call.cost or 0 for call in calls))


@every_engine
@pytest.mark.parametrize(("status", "seconds"), [(429, 40), (503, 90)])
def test_a_document_that_only_it_could_read_waits_as_long_as_it_asks_for(
    runtime: Runtime, people: People, provider: Provider, engine: str, status: int, seconds: int
) -> None:
    decided(runtime, people.ada, engine)
    provider.act = says(status, {}, Retry_After=str(seconds))
    job = read(runtime, people.ada, NOTHING, "some words")
    assert (job.status, job.error_code) == (JobStatus.DELAYED, "hosted_unavailable")
    assert len(provider.heard) == 1
    wait = (job.run_at - dt.datetime.now(dt.UTC)).total_seconds()
    assert seconds - 10 < wait <= seconds


@every_engine
def test_a_document_that_neither_can_read_fails_with_the_local_reason(
    runtime: Runtime, people: People, provider: Provider, engine: str
) -> None:
    decided(runtime, people.ada, engine)
    provider.act = says(400, {})
    job = read(runtime, people.ada, NOTHING, "some words")
    assert (job.status, job.error_code) == (JobStatus.FAILED, "no_values")


def test_a_short_wait_is_waited_for_within_the_attempt(runtime: Runtime, people: People, provider: Provider) -> None:
    decided(runtime, people.ada, "mistral")
    answers = [says(429, {}, Retry_After="0"), says(200, spoken("mistral", form_of(reading())))]

    def act(handler: object) -> None:
        answers.pop(0)(handler)  # type: ignore[arg-type]

    provider.act = act
    record = record_of(runtime, read(runtime, people.ada, reading()))
    assert (record.engine, record.status) == ("mistral", RecordStatus.DRAFT)
    assert [call.outcome for call in sorted(rows(runtime, HostedCall), key=lambda c: c.started_at)] == [
        "hosted_rate_limited",
        "answered",
    ]


def test_a_redirect_takes_no_key_elsewhere(runtime: Runtime, people: People, provider: Provider) -> None:
    decided(runtime, people.ada, "mistral")
    with Provider() as elsewhere:
        provider.act = says(307, {}, Location=f"{elsewhere.url}/v1/ocr")
        read(runtime, people.ada, reading())
        assert elsewhere.heard == []


@pytest.mark.parametrize(
    "environ",
    [
        {"MISTRAL_URL": "http://127.0.0.1:9"},
        {"MISTRAL_API_KEY": "a\u2028b"},
        {"MISTRAL_URL": "http://[::1"},
    ],
    ids=["nobody there", "a key of two lines", "no address"],
)
def test_what_was_never_sent_costs_nothing(shared: str, tmp_path: Path, provider: Provider, environ: dict[str, str]) -> None:
    with opened(shared, tmp_path, provider) as runtime:
        people = settle_in(runtime.database, unique=True)
        agrees(runtime, people.ada)
        decided(runtime, people.ada, "mistral")
        changed = {name.lower(): value for name, value in environ.items()}
        runtime.settings = replace(runtime.settings, **changed)
        record = record_of(runtime, read(runtime, people.ada, reading()))
        assert record.engine == "fake"
        (call,) = rows(runtime, HostedCall)
        assert (call.outcome, call.cost) == ("hosted_cut_off", 0)


# --- consent ---


def test_consent_withdrawn_before_the_work_lets_no_byte_out(runtime: Runtime, people: People, provider: Provider) -> None:
    decided(runtime, people.ada, "mistral")
    job = submitted(runtime, people.ada)
    agrees(runtime, people.ada, hosted=False)
    done = process(runtime, job.id, FakeReader(unsure(20)))
    assert done.status is JobStatus.COMPLETED
    assert provider.heard == []
    assert rows(runtime, HostedCall) == []
    assert decision_of(runtime, done).consent["hostedEngines"] is False


def test_consent_withdrawn_while_the_copy_is_made_lets_no_byte_out(runtime: Runtime, people: People, provider: Provider) -> None:
    class Withdrawing(FakeReader):
        def copy(self, *args: object) -> object:  # type: ignore[override]
            agrees(runtime, people.ada, hosted=False)
            return super().copy(*args)  # type: ignore[arg-type]

    decided(runtime, people.ada, "mistral")
    job = process(runtime, submitted(runtime, people.ada).id, Withdrawing(reading(), printed(reading())))
    assert provider.heard == []
    assert any("consent" in warning for warning in record_of(runtime, job).warnings)


def test_consent_given_after_the_upload_is_not_for_what_was_sent_before(
    runtime: Runtime, people: People, provider: Provider
) -> None:
    decided(runtime, people.ada, "mistral")
    agrees(runtime, people.ada, hosted=False)
    job = submitted(runtime, people.ada)
    agrees(runtime, people.ada)
    process(runtime, job.id, FakeReader(unsure(20)))
    assert provider.heard == []


# --- what is said where ---


def test_nothing_of_the_document_and_no_key_is_in_logs_or_in_what_is_kept_of_calls(
    runtime: Runtime, people: People, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret, local = "Hunter2 & Daughters", unsure(70, seller_name="Hunter2 & Daughters")
    acts = [act_of(fault, "anthropic") for fault in FAULTS] + [says(200, spoken("anthropic", form_of(local)))]
    acts += [says(500, secret.encode()), says(200, spoken("anthropic", f'{{"{secret}": 1}}'))]
    decided(runtime, people.ada, "anthropic")
    with capture_logs() as logged:
        for act in acts[9:]:
            provider.act = act
            read(runtime, people.ada, local)
    said = str(logged) + caplog.text + str([vars(call) for call in rows(runtime, HostedCall)])
    said += "".join(str(job.error_detail) for job in rows(runtime, Job))
    assert "job completed" in said
    assert "Hunter2" not in said
    assert KEY not in said
    assert "119.00" not in said


def test_the_numbers_count_calls_and_their_cost(runtime: Runtime, people: People, provider: Provider) -> None:
    from akount import metrics

    def count(outcome: str) -> float:
        return metrics.numbers().hosted.labels("anthropic", outcome)._value.get()

    before, cost = count("answered"), metrics.numbers().hosted_cost.labels("anthropic")._value.get()
    decided(runtime, people.ada, "anthropic")
    agreeing(provider, "anthropic", reading())
    read(runtime, people.ada, reading())
    assert count("answered") == before + 1
    assert metrics.numbers().hosted_cost.labels("anthropic")._value.get() == pytest.approx(cost + COSTS["anthropic"] / 1e6)


def test_a_worker_that_is_told_to_stop_settles_the_call_it_was_in(
    runtime: Runtime, people: People, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    decided(runtime, people.ada, "mistral")
    monkeypatch.setattr("akount.hosted.wire.ask", interrupted)
    job = submitted(runtime, people.ada)
    with pytest.raises(KeyboardInterrupt):
        process(runtime, job.id, FakeReader(reading(), printed(reading())))
    assert job_of(runtime, job.id).status is JobStatus.WAITING
    (call,) = rows(runtime, HostedCall)
    assert (call.outcome, call.cost) == ("given_up", call.reserved)


def test_a_document_of_many_pages_is_not_sent(shared: str, tmp_path: Path, provider: Provider) -> None:
    with opened(shared, tmp_path, provider, HOSTED_MAX_PAGES="1") as runtime:
        people = settle_in(runtime.database, unique=True)
        agrees(runtime, people.ada)
        decided(runtime, people.ada, "mistral")

        class Long(FakeReader):
            def copy(self, *args: object) -> object:  # type: ignore[override]
                made = super().copy(*args)  # type: ignore[arg-type]
                return replace(made, pictures=made.pictures * 2)

        process(runtime, submitted(runtime, people.ada).id, Long(reading(), printed(reading())))
        assert provider.heard == []


def test_the_local_positions_are_kept_and_those_of_the_model_fill_a_gap(
    runtime: Runtime, people: People, provider: Provider
) -> None:
    decided(runtime, people.ada, "mistral")
    said = {"description": "Chairs", "quantity": "2", "unit_price": "50.00", "amount": "100.00", "tax_rate": "19"}
    agreeing(provider, "mistral", reading(), lines=[said], net=None)
    bare = replace(reading(), lines=())
    assert lines_of(runtime, record_of(runtime, read(runtime, people.ada, bare))) == [("Chairs", 10000)]
    full = record_of(runtime, read(runtime, people.ada, reading()))
    assert [what for what, _amount in lines_of(runtime, full)] == ["Thing 0", "Thing 1", "Thing 2"]


def lines_of(runtime: Runtime, record: Record) -> list[tuple[str, int | None]]:
    with runtime.database.snapshot() as session:
        return [(line.description, line.amount) for line in session.get_one(Record, record.id).lines]


def test_a_credit_note_is_negative_whoever_reads_it(runtime: Runtime, people: People, provider: Provider) -> None:
    decided(runtime, people.ada, "mistral")
    back = reading(net=Decimal("-100.00"), tax=Decimal("-19.00"), total=Decimal("-119.00"))
    back = replace(back, credit_note=True, lines=(Line("Returned", amount=Decimal("-100.00"), confidence=95),))
    agreeing(provider, "mistral", reading(), credit_note=True)
    record = record_of(runtime, read(runtime, people.ada, back, printed(reading())))
    assert (record.engine, record.total_amount, record.credit_note) == ("mistral", -11900, True)
    assert record.status is RecordStatus.DRAFT


# --- the breaker and the cap, as a worker meets them ---


def test_after_five_failures_nobody_asks_for_a_minute_then_one_does(runtime: Runtime, people: People, provider: Provider) -> None:
    decided(runtime, people.ada, "mistral")
    provider.act = says(500, {})
    for _ in range(5):
        assert read(runtime, people.ada, reading()).status is JobStatus.COMPLETED
    assert len(provider.heard) == gate.FAILURES
    a_minute_passes(runtime)
    provider.act = says(200, spoken("mistral", form_of(reading())))
    record = record_of(runtime, read(runtime, people.ada, reading()))
    assert (record.engine, len(provider.heard)) == ("mistral", gate.FAILURES + 1)
    read(runtime, people.ada, reading())
    assert len(provider.heard) == gate.FAILURES + 2


def a_minute_passes(runtime: Runtime) -> None:
    from akount.models import HostedBreaker

    with runtime.database.transaction() as session:
        session.execute(update(HostedBreaker).values(open_until=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)))


def test_no_more_than_so_many_calls_at_once(
    shared: str, tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opinions, "BUSY_SECONDS", 20)
    running, most, lock = [0], [0], threading.Lock()
    answer = says(200, spoken("mistral", form_of(reading())))

    def act(handler: object) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        answer(handler)  # type: ignore[arg-type]
        with lock:
            running[0] -= 1

    with opened(shared, tmp_path, provider, HOSTED_CALLS_AT_ONCE="2") as runtime:
        people = settle_in(runtime.database, unique=True)
        agrees(runtime, people.ada)
        decided(runtime, people.ada, "mistral")
        provider.act = act
        jobs = [submitted(runtime, people.ada).id for _ in range(8)]
        work = [threading.Thread(target=process, args=(runtime, job, FakeReader(reading(), printed(reading())))) for job in jobs]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join(60)
        assert {call.outcome for call in rows(runtime, HostedCall)} == {"answered"}
        assert len(provider.heard) == 8
        assert most[0] <= 2
