"""The servers as they run in production: stopping, request ids, several workers, odd bodies."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import requests
from django.db import connection

from ingest.models import SleepMetric
from tests.processes import PATIENCE, TOKEN, wait_until
from tests.scale import full_only

DOCUMENT = {"type": "sleep", "user": "ana", "data": {"id": "a", "day": "2026-03-01", "score": 81}}
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def waits_for_a_lock():
    with connection.cursor() as cursor:
        # The other workers' tests have databases of their own on the same server.
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cursor.fetchone()[0] > 0


def refuses_connections(url):
    try:
        requests.get(f"{url}/health", timeout=1)
    except requests.ConnectionError:
        return True
    return False


@full_only
def test_a_request_under_way_is_answered_after_sigterm(service, ana, database_settings):
    processor = service("processor")
    where = database_settings
    with (
        psycopg.connect(
            host=where["DB_HOST"],
            port=where["DB_PORT"],
            user=where["DB_USER"],
            password=where["DB_PASSWORD"],
            dbname=where["DB_NAME"],
        ) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.execute("LOCK TABLE sleep_metrics IN SHARE MODE")
        answer = pool.submit(
            requests.post,
            f"{processor.url}/api/v1/ingest",
            json=DOCUMENT,
            headers=HEADERS,
        )
        wait_until(waits_for_a_lock)
        processor.process.terminate()
        # On a busy machine one of granian's workers misses its first SIGTERM now and then.
        wait_until(lambda: refuses_connections(processor.url) or processor.stop_workers())
        assert not answer.done()
        other.rollback()
        assert answer.result().status_code == 201
    assert processor.process.wait(PATIENCE) == 0
    assert SleepMetric.objects.get().score == 81


@full_only
def test_one_request_id_runs_through_collector_and_processor(service, pipeline, tmp_path):
    pipeline.processor = service("processor", LOG_LEVEL="info")
    run = pipeline.collect("--days", "2", "--type", "sleep")
    told = [json.loads(line) for line in run.stderr.splitlines() if line.startswith("{")]
    [request_id] = {line["request_id"] for line in told}
    lines = (tmp_path / "processor.log").read_text().splitlines()
    heard = [json.loads(line) for line in lines if "/api/v1/" in line]
    assert {line["request_id"] for line in heard} == {request_id}


@full_only
def test_no_log_line_of_a_run_holds_a_document(service, pipeline, tmp_path):
    pipeline.processor = service("processor", LOG_LEVEL="debug")
    run = pipeline.collect("--days", "2", LOG_LEVEL="debug")
    assert run.code == 0
    row = max(pipeline.rows("sleep").items())[1]
    log = (tmp_path / "processor.log").read_text() + run.stderr
    assert "range collected" in log
    assert not re.search(rf"{row['oura_id']}|contributors|bedtime|{TOKEN}", log)


@full_only
def test_figures_are_right_with_several_workers(service, tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    processor = service("processor", workers=2, PROMETHEUS_MULTIPROC_DIR=str(folder))
    for _ in range(40):
        requests.get(f"{processor.url}/api/v1/metrics/coverage")
    page = requests.get(f"{processor.url}/metrics").text
    told = [line for line in page.splitlines() if "coverage" in line and 'status="401"' in line]
    assert [line.split()[-1] for line in told if line.startswith("http_requests_total")] == ["40.0"]


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root can mount")
def test_full_disk_of_the_figures_kills_no_worker(service, tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=True)
    try:
        processor = service("processor", workers=2, PROMETHEUS_MULTIPROC_DIR=str(folder))
        with (folder / "large").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        # Each path is a row of its own, and all of them take more than a page.
        for path in ("metrics/coverage", "metrics/ledger", "metrics/sleep", "ingest", "runs", "x"):
            for method in ("GET", "POST", "PUT", "DELETE") * 3:
                requests.request(method, f"{processor.url}/api/v1/{path}")
        assert requests.get(f"{processor.url}/metrics").ok
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@full_only
def test_chunked_body_is_refused_not_taken_for_empty(ana, processor_process):
    asked = http.client.HTTPConnection("127.0.0.1", processor_process.port, timeout=PATIENCE)
    asked.putrequest("POST", "/api/v1/ingest")
    for name, value in {**HEADERS, "Transfer-Encoding": "chunked"}.items():
        asked.putheader(name, value)
    # In one piece with the headers, as the answer may come before the body is sent.
    body = json.dumps(DOCUMENT).encode()
    asked.endheaders(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    answer = asked.getresponse()
    assert (answer.status, json.load(answer)["code"]) == (411, "length_required")
    asked.close()


def test_a_body_of_eleven_mebibytes_is_too_large(transactional_db, ana, processor_process):
    big = {**DOCUMENT, "data": {"id": "a", "day": "2026-03-01", "source": {"x": "y" * 11 * 2**20}}}
    answer = requests.post(f"{processor_process.url}/api/v1/ingest", json=big, headers=HEADERS)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert not SleepMetric.objects.exists()


@pytest.mark.parametrize("content_type", ["a/b; charset*=utf-8''%00", "a/b; charset=rot13"])
def test_any_content_type_is_answered(api_process, content_type):
    url = f"{api_process.url.replace('127.0.0.1', 'localhost')}/accounts/login/?next=/"
    assert requests.get(url, headers={"Content-Type": content_type}).ok
