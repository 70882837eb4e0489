"""Every test gets a backend of its own; it ends with the test, and with its worker however that ends."""

import http.client
import json
import os
from urllib.parse import urlsplit

import pytest


@pytest.fixture
def backend():
    control = urlsplit(os.environ["SUPARUST_CONTROL_URL"])
    connection = http.client.HTTPConnection(control.hostname, control.port, timeout=60)
    headers = {"Authorization": "Bearer " + os.environ["SUPARUST_CONTROL_TOKEN"]}
    connection.request("POST", control.path + "/branches", json.dumps({"hold": True}), headers)
    answer = connection.getresponse()
    branch = json.loads(answer.readline())  # the rest comes as long as the connection is held
    assert answer.status == 201, branch
    yield branch
    connection.sock.close()
    answer.close()
