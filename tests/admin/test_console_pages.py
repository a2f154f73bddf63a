"""What the pages say, and what they cost: questions to the database, bytes, and what is shown while the database is away."""

import gzip
import html
import re
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from console_help import TOKEN, Visitor, questions
from flask import Flask
from sqlalchemy import select

from akount import ledger, operations
from akount.census import Board, Snapshot
from akount.errors import Unavailable
from akount.kinds import QUEUES
from akount.lifecycle import Runtime
from akount.models import AuditEntry, Job, JobStatus, Operation, Pause
from scene import HOSTILE, OPERATOR, OWNER, PASSWORD, Scene, set_up

STATIC = Path(__file__).parent.parent.parent / "akount" / "admin" / "static"
MOST_QUESTIONS = 6
LISTS = ("/admin/overview", "/admin/queues", "/admin/jobs", "/admin/jobs?state=failed", "/admin/failures", "/admin/operations")


@pytest.fixture(scope="module")
def scene(runtime: Runtime) -> Scene:
    return set_up(runtime.database, hostile=True)


def signed_in(app: Flask, email: str) -> Visitor:
    who = Visitor(app)
    token = TOKEN.search(who.get("/admin/sign-in").text)
    assert token
    assert who.post("/admin/sign-in", token[1], email=email, password=PASSWORD).status_code == 303
    return who


@pytest.fixture(scope="module")
def otto(app: Flask, scene: Scene) -> Visitor:
    return signed_in(app, OPERATOR)


@pytest.fixture(scope="module")
def ada(app: Flask, scene: Scene) -> Visitor:
    return signed_in(app, OWNER)


@pytest.fixture
def paths(scene: Scene, runtime: Runtime) -> list[str]:
    with runtime.database.snapshot() as session:
        dead = session.get_one(Job, scene.dead[0])
    ones = (f"jobs/{dead.id}", f"failures/{dead.fingerprint}", f"queues/{dead.queue}", f"operations/{scene.operation}")
    asking = (f"jobs/{dead.id}/discard", "operations/new?action=discard&code=encrypted", "search?q=in")
    return [*LISTS, *(f"/admin/{one}" for one in (*ones, *asking))]


def test_a_cause_shows_when_it_struck_as_a_chart_and_in_figures(otto: Visitor, scene: Scene, runtime: Runtime) -> None:
    with runtime.database.snapshot() as session:
        dead = session.get_one(Job, scene.dead[0])
    lately = otto.get("/admin/failures").text.partition(f'href="/admin/failures/{dead.fingerprint}"')[2].partition("</tr>")[0]
    assert re.search(r'class="k2" d="M\d', lately)
    assert "in an hour" in lately
    whole = otto.get(f"/admin/failures/{dead.fingerprint}").text
    assert 'class="b2' in whole
    rows = whole.partition("As a table")[2].partition("<tbody>")[2].partition("</tbody>")[0]
    figures = [int(number) for number in re.findall(r'class="num">(\d+)<', rows)]
    assert (len(figures), sum(figures) > 0) == (24, True)


def test_a_queue_shows_what_runs_and_to_operators_who_waits(
    app: Flask, otto: Visitor, ada: Visitor, scene: Scene, runtime: Runtime
) -> None:
    with runtime.database.snapshot() as session:
        runs = session.scalars(select(Job).where(Job.status == JobStatus.ACTIVE)).first()
    assert runs is not None
    path = f"/admin/queues/{runs.queue}"
    assert str(runs.id) in otto.get(path).text.partition("Running now")[2].partition("</section>")[0]
    assert "Tenants in line" in otto.get(path).text
    assert "Tenants in line" not in ada.get(path).text


def test_a_job_leads_to_its_document_and_shows_its_first_page_to_its_tenant(
    app: Flask, otto: Visitor, ada: Visitor, scene: Scene, runtime: Runtime
) -> None:
    with runtime.database.snapshot() as session:
        mine = select(Job).where(Job.tenant_id == scene.ours.id)
        read, dead = (session.scalars(mine.where(Job.status == s)).first() for s in (JobStatus.COMPLETED, JobStatus.FAILED))
    assert read is not None
    assert dead is not None
    document, picture = f"/admin/documents/{read.document_id}", f"/{read.document_id}/pages/1.png"
    shown = ada.get(f"/admin/jobs/{read.id}").text
    assert (f'href="{document}"' in shown, picture in shown, "textlayer 1" in shown) == (True, True, True)
    assert "/pages/1.png" not in ada.get(f"/admin/jobs/{dead.id}").text, "what could not be read may not be drawn either"
    shown = otto.get(f"/admin/jobs/{read.id}").text
    assert "/pages/1.png" not in shown
    alone = signed_in(app, OPERATOR)
    for page in (f"/admin/jobs/{read.id}", f"/admin/tenants/{scene.ours.id}"):
        form = otto.get(page).text.partition("<main")[2].partition('action="/admin/scope"')[2].partition("</form>")[0]
        said = dict(re.findall(r'name="(tenant|back)" value="([^"]*)"', form))
        assert said["tenant"] == str(scene.ours.id)
        answer = alone.post("/admin/scope", **said)
        assert (answer.status_code, answer.headers["Location"]) == (303, said["back"])
    assert picture in alone.get(f"/admin/jobs/{read.id}").text
    assert alone.get(document).status_code == 200


def test_a_page_asks_few_questions(app: Flask, otto: Visitor, paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the snapshot that all who look share: it costs its five once every few seconds, which do not pass meanwhile."""
    monkeypatch.setattr("akount.census.time", SimpleNamespace(monotonic=lambda: 0.0))
    with questions(app) as asked:
        for path in paths:
            otto.get(path)
            asked.clear()
            assert otto.get(path).status_code == 200
            own = [text for text in asked if not text.startswith(("BEGIN", "PRAGMA", "SELECT set_config"))]
            assert len(own) <= MOST_QUESTIONS, (path, own)


def test_a_list_page_with_all_it_loads_is_light(otto: Visitor, paths: list[str]) -> None:
    assets = sum(len(gzip.compress(file.read_bytes())) for file in STATIC.iterdir())
    weights = {path: assets + len(gzip.compress(otto.get(path).data)) for path in paths}
    assert max(weights.values()) < 40_000, weights


def test_what_strangers_wrote_is_text_and_shows_what_it_hides(otto: Visitor, paths: list[str], scene: Scene) -> None:
    for path in paths:
        text = otto.get(path).text
        for name in HOSTILE[:5]:
            assert name not in text, (path, name)
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e\u200b]", text), path
    listed = "".join(otto.get(f"/admin/jobs?state={state}").text for state in ("failed", "completed", "waiting"))
    assert html.escape(HOSTILE[0], quote=True).replace("&quot;", "&#34;") in listed
    assert "invoice\ufffdfdp.exe" in listed


def test_pages_of_a_list_follow_each_other_and_none_is_lost(otto: Visitor, scene: Scene) -> None:
    seen, path = [], "/admin/jobs"
    while path:
        text = otto.get(path).text
        seen += re.findall(r'data-key="([^"]+)"', text)
        found = re.search(r'rel="next" href="([^"]+)"', text)
        previous, path = path, html.unescape(found[1]) if found else ""
    assert sorted(seen) == sorted(map(str, scene.jobs))
    back = re.search(r'rel="prev" href="([^"]+)"', otto.get(previous).text)
    assert back
    assert re.findall(r'data-key="([^"]+)"', otto.get(html.unescape(back[1])).text) == seen[:50]
    assert otto.get("/admin/jobs?after=made-up").status_code == 422


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("state=nonsense", 400),
        ("queue=nonsense", 400),
        ("tenant=1", 400),
        ("attempts=x", 400),
        ("since=yesterday", 400),
        ("since=2026-01-01", 200),
    ],
)
def test_a_filter_that_makes_no_sense_is_told(otto: Visitor, query: str, status: int) -> None:
    assert otto.get(f"/admin/jobs?{query}").status_code == status


def test_what_matches_is_counted_and_may_be_retried_as_one(otto: Visitor, scene: Scene, runtime: Runtime) -> None:
    page = otto.get("/admin/operations/new?action=retry&state=failed&code=encrypted")
    with runtime.database.snapshot() as session:
        wanted = ledger.DeadLetters(code="encrypted")
        many = len(session.scalars(select(Job.id).where(wanted.where())).all())
    assert f"<strong>{many}</strong>" in page.text
    form = dict(
        re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text.partition('action="/admin/operations"')[2])
    )
    answers = [otto.post("/admin/operations", **form) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1, "a form that is sent twice asks once"
    with runtime.database.snapshot() as session:
        made = session.get_one(Operation, uuid.UUID(form["operation"]))
        noted = session.scalars(select(AuditEntry).where(AuditEntry.target == f"operation:{made.id}")).all()
    assert (made.matched, made.meant) == (many, {"code": "encrypted"})
    assert [entry.action for entry in noted] == ["jobs.retry"]


def test_what_waits_is_cancelled_as_one_with_a_reason(otto: Visitor, scene: Scene, runtime: Runtime) -> None:
    shown = otto.get(f"/admin/jobs?state=waiting&tenant={scene.theirs.id}").text
    assert ("Cancel all…" in shown, "Retry all…" in shown) == (True, False)
    with runtime.database.snapshot() as session:
        ours = (Job.tenant_id == scene.theirs.id, Job.status == JobStatus.WAITING)
        meant = session.scalars(select(Job.id).where(*ours)).all()
    asked = otto.get(f"/admin/operations/new?action=cancel&state=waiting&tenant={scene.theirs.id}").text
    assert f"Cancel {len(meant)} jobs in line?" in asked
    form = {"action": "cancel", "state": "waiting", "tenant": str(scene.theirs.id)}
    assert otto.post("/admin/operations", **form).status_code == 422, "it asks why"
    assert "It is under way" in otto.flash(otto.post("/admin/operations", reason="sent by mistake", **form))
    advancing = True
    while advancing:
        with runtime.database.transaction() as session:
            advancing = operations.advance(session) is not None
    with runtime.database.snapshot() as session:
        assert set(session.scalars(select(Job.status).where(Job.id.in_(meant)))) == {JobStatus.CANCELLED}
    assert otto.get("/admin/operations/new?action=cancel&state=waiting").status_code == 422, "narrow it first"


def test_an_operator_narrows_what_is_meant_first(otto: Visitor, ada: Visitor) -> None:
    assert otto.get("/admin/operations/new?action=discard").status_code == 422
    assert otto.post("/admin/operations", action="discard", reason="all of them").status_code == 422
    assert ada.get("/admin/operations/new?action=discard").status_code == 200, "an owner's own are narrow enough"


def test_more_than_a_thousand_are_not_done_by_a_slip(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("akount.admin.operations.MANY", 1)
    assert 'pattern="discard"' in ada.get("/admin/operations/new?action=discard").text
    assert "Type discard to go on" in ada.post("/admin/operations", action="discard", reason="x").text
    assert ada.post("/admin/operations", action="discard", reason="x", word="discard").status_code == 303


def test_a_queue_is_paused_with_reason_and_end_and_resumed(otto: Visitor, runtime: Runtime) -> None:
    path = f"/admin/queues/{QUEUES[0]}"
    assert otto.flash(otto.post(f"{path}/pause", minutes="60", reason="", back=path)).startswith("bad: Say why")
    assert otto.flash(otto.post(f"{path}/pause", minutes="60", reason="a new disk", back=path)) == f"good: {QUEUES[0]} is paused."
    with runtime.database.snapshot() as session:
        held = session.scalars(select(Pause).where(Pause.queue == QUEUES[0], Pause.tenant_id.is_(None))).one()
        assert held.until is not None
        assert round((held.until - held.paused_at).total_seconds()) == 3600
    assert "a new disk" in otto.get("/admin/overview").text
    assert otto.post(f"{path}/pause", minutes="7", reason="x").status_code == 422
    assert otto.flash(otto.post(f"{path}/resume", back=path)).startswith(f"good: {QUEUES[0]} is resumed")


def test_a_delayed_job_is_run_now_and_a_waiting_one_is_not(otto: Visitor, scene: Scene, runtime: Runtime) -> None:
    with runtime.database.snapshot() as session:
        delayed = session.scalars(select(Job).where(Job.status == JobStatus.DELAYED)).first()
    assert delayed is not None
    path = f"/admin/jobs/{delayed.id}"
    assert otto.flash(otto.post(f"{path}/run-now", back=path)) == "good: The job is to be read now."
    assert otto.flash(otto.post(f"{path}/run-now", back=path)).startswith("bad: Only a job that waits")


class Away:
    """A database that does not answer."""

    def snapshot(self) -> None:
        raise Unavailable("The database does not answer.")


def test_while_the_database_is_away_the_last_numbers_stand_there_and_never_a_nought(app: Flask, otto: Visitor) -> None:
    board: Board = app.extensions["board"]
    otto.get("/admin/queues")
    before, board._database = board._database, Away()  # type: ignore[assignment]
    try:
        board.forget(None)
        last = board.look(None)
        assert isinstance(last, Snapshot), "what was known is shown, with its time"
        board._kept.clear()
        board.forget(None)
        text = otto.get("/admin/queues").text
        assert text.count(">unknown<") > 6
        assert "Numbers unknown" in text
    finally:
        board._database = before
        board.forget(None)


def test_a_job_is_retried_with_options_and_its_page_tells_them(otto: Visitor, scene: Scene, runtime: Runtime) -> None:
    page = f"/admin/jobs/{scene.dead[-1]}"
    assert "Retry with options" in otto.get(page).text
    token = TOKEN.search(otto.get(f"{page}/retry").text)
    assert token
    assert otto.post(f"{page}/retry", token[1], engine="crystal ball").status_code == 422
    assert otto.post(f"{page}/retry", token[1], engine="ocr", pages="2", resolution="fine").status_code == 303
    with runtime.database.snapshot() as session:
        job = session.get_one(Job, scene.dead[-1])
    assert job.status is JobStatus.WAITING
    assert job.reading_options == {"ocr_only": True, "first_pages": 2, "fine": True}
    assert "OCR only, the first 2 pages only, in fine resolution" in otto.get(page).text
