from __future__ import annotations

import time

from collab_server.meters import Meters
from collab_server.monitoring.health import Health


class Patient:
    def __init__(self) -> None:
        self.meters = Meters()
        self.trouble = ""
        self.health = Health(self.meters, lambda: self.trouble)
        self.health.is_serving = True

    @property
    def why_not(self) -> str:
        return self.health.why_not_ready()


def test_one_that_serves_is_ready() -> None:
    assert Patient().why_not == ""


def test_one_that_does_not_serve_yet_is_starting() -> None:
    patient = Patient()
    patient.health.is_serving = False
    assert patient.why_not == "the server is starting"


def test_one_that_stops_says_so_whatever_else_is_wrong() -> None:
    patient = Patient()
    patient.trouble = "the server's disk is full"
    patient.health.is_stopping = True
    assert patient.why_not == "the server is stopping"


def test_trouble_with_the_store_is_told_until_it_is_over() -> None:
    patient = Patient()
    patient.trouble = "the server's disk is full"
    assert patient.why_not == "the server's disk is full"
    patient.trouble = ""
    assert patient.why_not == ""


def test_a_disk_that_never_answers_is_no_disk() -> None:
    patient = Patient()
    patient.meters.store_began = time.monotonic() - 1
    assert patient.why_not == ""
    patient.meters.store_began = time.monotonic() - 3600
    assert patient.why_not == "the server's disk has not answered for 3600 s"
    patient.meters.store_began = None
    assert patient.why_not == ""
