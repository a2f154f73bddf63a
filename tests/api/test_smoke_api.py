"""The road from an upload to a record, in one process."""

from flask.testing import FlaskClient

from akount import pipeline
from akount.lifecycle import Runtime
from fakes import FakeReader
from make import pdf
from people import People


def test_an_uploaded_document_becomes_a_record(client: FlaskClient, runtime: Runtime, people: People) -> None:
    answer = client.post(
        "/api/business/bills/scan", headers=people.ada.headers, data={"file": (__import__("io").BytesIO(pdf()), "a.pdf")}
    )
    assert answer.status_code == 202, answer.json
    reader = FakeReader()
    pulse = pipeline.Pulse(runtime, reader)
    pulse.start()
    pipeline.process(runtime, reader, pulse, __import__("uuid").UUID(answer.json["jobId"]))
    pulse.stop()
    job = client.get(answer.json["statusUrl"], headers=people.ada.headers).json
    assert job["status"] == "completed", job
    record = client.get(f"/api/business/bills/{job['result']['recordId']}", headers=people.ada.headers).json
    assert record["totalAmount"] == 11900
    assert client.get(answer.json["statusUrl"], headers=people.mallory.headers).status_code == 404
    stream = client.get(answer.json["streamUrl"])
    assert stream.status_code == 200, stream.json
    assert '"completed"' in stream.text
