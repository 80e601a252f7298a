"""A signal ends training after the current iteration; a second one ends the program."""

import os
import signal

import pytest
from ignite.engine import Engine, Events

from scripts.handlers.interrupt import Interrupt


def engine_with(interrupt: Interrupt, send: int, at: int, times: int = 1) -> Engine:
    def step(engine, batch):
        if engine.state.iteration == at:
            for _ in range(times):
                os.kill(os.getpid(), send)
        return None

    engine = Engine(step)
    interrupt.attach(engine)
    return engine


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_training_after_its_iteration_and_the_program_with_its_code(number, code, capsys):
    before = signal.getsignal(number)
    interrupt = Interrupt()
    engine = engine_with(interrupt, number, at=3)
    engine.run([0] * 10, max_epochs=1)
    assert engine.state.iteration == 3
    assert signal.getsignal(number) == before
    assert "finishing this iteration" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        interrupt.leave()
    assert left.value.code == code


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN], ids=["foreground", "background"])
def test_a_second_ctrl_c_ends_at_once(before):
    outside = signal.signal(signal.SIGINT, before)
    try:
        engine = engine_with(Interrupt(), signal.SIGINT, at=2, times=2)
        with pytest.raises(KeyboardInterrupt):
            engine.run([0] * 10, max_epochs=1)
        assert signal.getsignal(signal.SIGINT) == before
    finally:
        signal.signal(signal.SIGINT, outside)


def test_before_the_first_iteration_there_is_nothing_to_wait_for(capsys):
    interrupt = Interrupt()
    engine = Engine(lambda engine, batch: None)
    interrupt.attach(engine)
    engine.add_event_handler(Events.STARTED, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        engine.run([0], max_epochs=1)
    assert "nothing is saved" in capsys.readouterr().out


def test_without_a_signal_nothing_happens():
    interrupt = Interrupt()
    engine = engine_with(interrupt, signal.SIGINT, at=99)
    engine.run([0] * 3, max_epochs=1)
    interrupt.leave()
    assert engine.state.iteration == 3
