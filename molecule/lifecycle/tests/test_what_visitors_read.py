"""What people read on Frappe's own pages when it is the edge that answers."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import browser
import pytest
from conftest import only_real
from journey import Journey
from neighbours import VICTIM, VICTIM_HOST

LOG_IN = """
document.querySelector('#login_email').value = 'nobody@cuisine-school.com';
document.querySelector('#login_password').value = 'guessed';
document.querySelector('.form-login').requestSubmit();
"""
READ = "document.querySelector('.modal.show .modal-body')?.innerText ?? ''"
PATIENCE_S = 60
# More than the edge lets in at once.
AT_ONCE = 90


def test_whose_login_the_edge_refuses_reads_why_on_the_login_page(lab: Journey) -> None:
    only_real(lab)
    if browser.program() is None:
        pytest.skip("Chromium is not installed (apt install chromium)")
    lab.schoolctl("new-school", VICTIM)
    port = lab.project.platform.edge.public_https_port
    with browser.fresh_browser(VICTIM_HOST, port) as window:
        window.visit(f"https://{VICTIM_HOST}:{port}/login")
        give_up, said = time.monotonic() + PATIENCE_S, ""
        # A place becomes free each second: the browser may have got it.
        while not said and time.monotonic() < give_up:
            with ThreadPoolExecutor(AT_ONCE) as others:
                answers = as_completed([others.submit(_log_in, lab) for _ in range(AT_ONCE)])
                assert any(answer.result() == http.client.TOO_MANY_REQUESTS for answer in answers)
                window.evaluate(LOG_IN)
            time.sleep(0.5)
            said = str(window.evaluate(READ))

    assert "wait half a minute and try again" in said


def _log_in(lab: Journey) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=60)
    try:
        form = {"Host": f"{VICTIM_HOST}:{lab.port}", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/login", "cmd=login&usr=nobody&pwd=guessed", form)
        return connection.getresponse().status
    finally:
        connection.close()
