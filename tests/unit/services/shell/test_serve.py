"""The server of every service, without a process or port."""

from __future__ import annotations

import asyncio
import signal
from typing import Any, cast

import pytest
import uvicorn

from services.shell import serve as module
from services.shell.serve import DrainingServer, State, Work
from services.shell.settings import ServiceSettings


def test_a_health_check_whose_name_is_taken_asks_over_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    """If its socket's name is taken, or unsupported, the health check has no listener."""
    listeners = module.health_listeners(1)
    assert [] == module.health_listeners(1)
    for each in listeners:
        each.close()
    monkeypatch.setattr("mapreduce.system.operating_system.ABSTRACT_SOCKETS", False)
    assert [] == module.health_listeners(1)


# -- draining --------------------------------------------------------------------------------------


class _Stopping:
    """A draining server with a number of busy workers and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.now, self.in_progress = State(), 100.0, 1
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        config = uvicorn.Config(cast(Any, object()), log_config=None)
        work = Work(busy=lambda: self.in_progress, each_tick=self._tick)
        self.ticks = 0
        self.server = DrainingServer(config, self.state, ServiceSettings(drain_s=10.0), work)

    def _tick(self) -> None:
        self.ticks += 1

    def tick(self) -> bool:
        """Run one tick of the server's loop; True ends it."""
        return asyncio.run(self.server.on_tick(1))


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> _Stopping:
    """A server with one running task."""
    return _Stopping(monkeypatch)


def test_sigterm_refuses_new_tasks_and_waits_for_the_running_ones(stopping: _Stopping) -> None:
    """After SIGTERM new tasks are refused, and running ones are awaited."""
    assert not stopping.tick()
    stopping.server.handle_exit(signal.SIGTERM, None)
    assert stopping.state.draining
    assert not stopping.tick()
    stopping.in_progress = 0
    assert stopping.tick()


def test_after_its_time_a_service_stops_with_tasks(stopping: _Stopping) -> None:
    """After the drain time the service stops although a task runs."""
    stopping.server.handle_exit(signal.SIGTERM, None)
    stopping.now += 10.0
    assert not stopping.tick()
    stopping.now += 0.1
    assert stopping.tick()


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_ctrl_c_and_a_second_signal_stop_at_once(
    stopping: _Stopping, signals: list[signal.Signals]
) -> None:
    """Ctrl-C, or a second SIGTERM, stops the service at once."""
    for each in signals:
        stopping.server.handle_exit(each, None)
    assert stopping.tick()


def test_a_service_can_stop_itself(stopping: _Stopping) -> None:
    """A service that can do no more work stops without a signal."""
    stopping.server.stop_now()
    assert stopping.tick()


def test_each_tick_is_passed_on(stopping: _Stopping) -> None:
    """The service's own work of a tick is done at each of the server's."""
    for _ in range(3):
        stopping.tick()
    assert 3 == stopping.ticks


def test_without_a_count_of_its_own_a_service_is_busy_with_its_requests() -> None:
    """A drain of a service that counts nothing waits for the requests in progress."""
    config = uvicorn.Config(cast(Any, object()), log_config=None)
    server = DrainingServer(config, State(), ServiceSettings(), Work())
    assert 0 == server.busy
    server.server_state.tasks.add(cast(Any, object()))
    assert 1 == server.busy
