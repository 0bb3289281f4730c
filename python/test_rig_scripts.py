"""Whole scripts, as twinprop and people start them: their start, their output and their end."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import twinprop_rig
from test_twinprop_rig import Host

HERE = pathlib.Path(__file__).parent

RIG = """
import os, signal, subprocess, sys, threading, time
import twinprop_rig
from twinprop_rig import bank, rig

twinprop_rig.GRACE = 0.1

def log(text):
    with open(os.environ["LOG"], "a") as file:
        file.write(text + "\\n")

BEFORE

@rig(inputs=bank("x", 2, "V", -1, 1), parameters=bank("p", 1, "V", 0, 1), outputs=bank("y", 1, "V", -4, 4), OPTIONS)
def measure(xs, p):
    log("measure")
    MEASURE
    return [[0.0] for _ in xs]

@measure.safe
def off():
    log("begins")
    OFF
    log("ends")

END
"""


class Script(Host):
    """A script as a child process; its standard input and output are a host's link."""

    def __init__(self, test, arguments=(), stdin=subprocess.PIPE, run="my_rig.py", environment=(), text=None, before="",
                 options="", measure="", off="", end="measure.serve()", **popen):
        self.folder = tempfile.TemporaryDirectory()
        test.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        text = text or (RIG.replace("BEFORE", before).replace("OPTIONS", options).replace("MEASURE", measure or "pass")
                        .replace("OFF", off or "time.sleep(0.05)").replace("END", end))
        (self.path / "my_rig.py").write_text(text)
        environment = dict(os.environ, PYTHONPATH=str(HERE), LOG=str(self.path / "log"), **dict(environment))
        popen.setdefault("stderr", subprocess.PIPE)
        self.process = subprocess.Popen([sys.executable, run, *arguments], cwd=self.path, env=environment, stdin=stdin,
                                        stdout=subprocess.PIPE, bufsize=0, **popen)
        test.addCleanup(self.end)
        self.errors = []
        if self.process.stderr:
            self.reader = threading.Thread(target=self.keep_errors, daemon=True)
            self.reader.start()
        super().__init__(lambda data: self.process.stdin.write(data), lambda: os.read(self.process.stdout.fileno(), 65536))

    def keep_errors(self):
        with contextlib.suppress(ValueError):
            self.errors.extend(iter(self.process.stderr.readline, b""))

    def hello(self):
        self.ask(1)
        self.boot = struct.unpack_from("<I", self.next(0x81, within=20)[1], 4)[0]
        return self

    def drive(self, shots=1):
        """Sends hello, opens a session, sets the parameter and requests shots."""
        self.hello().open()
        self.configure()
        self.next(0x84)
        self.play(shots=shots)
        return self

    def driven(self):
        self.drive().next(0x85)
        return self

    def log(self):
        with contextlib.suppress(FileNotFoundError):
            return (self.path / "log").read_text().split()
        return []

    def wait(self, within=20):
        """Exit code and standard error."""
        code = self.process.wait(within)
        self.reader.join(5)
        return code, b"".join(self.errors).decode(errors="replace")

    def leave(self):
        self.process.stdin.close()
        return self.wait()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.process.stderr):
            if file:
                with contextlib.suppress(OSError):
                    file.close()


class Ends(unittest.TestCase):
    def test_every_end_of_a_script_is_in_the_safe_state(self):
        signals = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
        ends = [(number, measure) for number in [None, *signals] for measure in ("", "log('waits'); time.sleep(60)")]
        scripts = [Script(self, measure=measure, off="time.sleep(0.3)") for _, measure in ends]
        for script, (number, measure) in zip(scripts, ends):
            script.drive()
            script.until(lambda: ("waits" if measure else "measure") in script.log())
            if not measure:
                script.next(0x85)
            if number is None:
                script.process.stdin.close()
            else:
                script.process.send_signal(number)
                script.ask(8, sequence=5)
        for script, (number, measure) in zip(scripts, ends):
            with self.subTest(signal=number, measure=measure):
                if number:
                    # The host still gets its answer that the device is safe; the ramp does not run twice.
                    self.assertEqual(script.next(0x88)[0].sequence, 5)
                    script.process.stdin.close()
                code, said = script.wait()
                self.assertEqual((code, script.log()[-2:], script.log().count("begins")), (0, ["begins", "ends"], 1), said)
                self.assertIn(f"ends by {signal.Signals(number).name}, in its safe state" if number else "", said)

    def test_a_script_reports_a_failed_safe_state_and_exits_with_1(self):
        scripts = [Script(self, off="raise RuntimeError('no answer from the supply')", measure=measure) for measure in ("", "1 / 0")]
        scripts.append(Script(self, off="sys.exit()"))
        for script in scripts:
            script.drive().next(0x85, 0xFF)
        scripts[2].process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        for script in scripts:
            code, said = script.leave()
            self.assertEqual(code, 1)
            self.assertIn("THE SAFE STATE FAILED, the device may be driven: ", said)
            self.assertIn("my_rig.measure ends, and is not in its safe state", said)
            self.assertIn("my_rig.py:", said)

    def test_a_request_of_the_safe_state_interrupts_a_long_measurement(self):
        script = Script(self, measure="time.sleep(60)").drive()
        script.until(lambda: "measure" in script.log())
        script.ask(8, sequence=4)
        header, payload, _ = script.next(0xFF)
        self.assertEqual((header.sequence, payload[:2]), (1, b"\5\0"))
        self.assertIn(b"interrupted: the safe state was asked for", payload)
        self.assertEqual(script.next(0x88)[0].sequence, 4)
        self.assertEqual(script.leave()[0], 0)
        self.assertEqual(script.log().count("begins"), 1)

    def test_a_signal_does_not_interrupt_the_ramp(self):
        script = Script(self, off="time.sleep(0.5)").driven()
        script.process.stdin.close()
        script.until(lambda: "begins" in script.log())
        for _ in range(3):
            script.process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        self.assertEqual(script.wait()[0], 0)
        self.assertEqual(script.log(), ["measure", "begins", "ends"])

    def test_the_scripts_own_handlers_run_after_the_safe_state(self):
        before = "twinprop_rig.LAST_ANSWERS = 0.2; signal.signal(signal.SIGTERM, lambda *_: (log('handler'), sys.exit(7)))"
        end = "try:\n    measure.serve()\nfinally:\n    log('finally')"
        script = Script(self, before=before, end=end).driven()
        script.process.send_signal(signal.SIGTERM)
        self.assertEqual((script.wait()[0], script.log()), (7, ["measure", "begins", "ends", "handler", "finally"]))

    @unittest.skipUnless(hasattr(signal, "SIGHUP"), "there is no SIGHUP")
    def test_a_signal_that_nohup_ignores_is_ignored(self):
        script = Script(self, before="signal.signal(signal.SIGHUP, signal.SIG_IGN)").driven()
        script.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        self.assertEqual(script.health()[1], 0)
        self.assertEqual(script.leave()[0], 0)

    def test_a_script_that_calls_measure_without_serving_ends_in_the_safe_state(self):
        script = Script(self, end="print(measure([[0, 0]], [1]))")
        self.assertEqual(script.wait(), (0, ""))
        self.assertEqual(script.log(), ["measure", "begins", "ends"])

    def test_a_driver_that_holds_pythons_lock_does_not_trip_the_watchdog(self):
        slow = "import ctypes; ctypes.PyDLL(None).usleep(900000)"
        script = Script(self, measure=slow, options="watchdog=0.4").drive()
        for _ in range(12):
            script.ask(7)
            time.sleep(0.1)
        script.next(0x85)
        self.assertEqual(script.health()[1:4:2], (0, 0))


class Output(unittest.TestCase):
    def test_no_output_of_the_script_reaches_the_link(self):
        # Also with standard error closed or broken.
        measure = "print('from print µ'); subprocess.run(['echo', 'from a child']); print('x' * 100000)"
        broken, ours = os.pipe()
        os.close(broken)
        for popen in [{}, {"stderr": ours}, {"preexec_fn": lambda: os.close(2), "stderr": None}]:
            script = Script(self, before="print('at the start')", off="print('from off')", measure=measure + ("" if popen else "; os.write(1, b'from C\\n')"),
                            environment={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, **popen)
            script.driven()
            script.ask(8)
            script.next(0x88)
            script.process.stdin.close()
            self.assertEqual(script.process.wait(20), 0)
            if not popen:
                said = script.wait()[1]
                for words in ("from print", "from C", "from a child", "from off"):
                    self.assertIn(words, said)
        os.close(ours)

    @unittest.skipUnless(os.name == "posix", "the pipe has no reader elsewhere")
    def test_unread_output_does_not_block_the_safe_state(self):
        # The script holds both ends of its standard error, as after twinprop started it and was killed.
        before = "import logging\nlogging.basicConfig()"
        off = "print('x' * 200000); logging.error('y' * 200000); print('z' * 200000, file=sys.stderr)"
        reader, writer = os.pipe()
        script = Script(self, before=before, off=off, stderr=writer, pass_fds=(reader,))
        os.close(reader)
        os.close(writer)
        script.driven().process.stdin.close()
        self.assertEqual(script.process.wait(10), 0)
        self.assertEqual(script.log(), ["measure", "begins", "ends"])

    @unittest.skipUnless(os.name == "posix", "the pipe has no reader elsewhere")
    def test_the_number_of_dropped_bytes_is_reported_to_the_next_reader(self):
        reader, writer = os.pipe()
        printed = twinprop_rig._Printed(writer)
        start = time.monotonic()
        for _ in range(20):
            self.assertEqual(printed.write(b"x" * 20000), 20000)
        self.assertLess(time.monotonic() - start, twinprop_rig.UNREAD + 1)
        kept = len(os.read(reader, 1 << 20))
        self.assertLess(kept, 400000)
        printed.write(b"next")
        self.assertEqual(os.read(reader, 1000), b"[%d bytes were dropped here: nobody read them]\nnext" % (400000 - kept))
        os.close(reader)
        self.assertEqual(printed.write(b"broken"), 6)
        os.close(writer)
        self.assertEqual(printed.write(b"closed"), 6)

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork")
    def test_children_of_the_script_neither_hold_the_link_nor_act_as_the_device(self):
        for child in ("time.sleep(30)", "raise ValueError", "sys.exit(3)", "return [[0.0]]"):
            measure = f"child = os.fork()\n    if not child:\n        {child}\n    log(str(child))"
            script = Script(self, measure=measure).driven()
            child = int(script.log()[-1])
            script.process.stdin.close()
            self.assertEqual(script.process.wait(20), 0)
            # The output ends, although the child may still run.
            end = threading.Event()
            threading.Thread(target=lambda: (iter(lambda: script.process.stdout.read(1), b""), end.set()), daemon=True).start()
            self.assertTrue(end.wait(5))
            self.assertEqual(script.log().count("begins"), 1)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def test_a_worker_that_imports_the_script_does_not_act_as_the_device(self):
        before = "import multiprocessing\ndef work(pipe):\n    pipe.send(sum(range(5)))"
        measure = ("ours, theirs = multiprocessing.Pipe()\n    worker = multiprocessing.get_context('spawn').Process(target=work, args=(theirs,))\n"
                   "    worker.start()\n    log(str(ours.recv()))\n    worker.join()")
        script = Script(self, before=before, measure=measure).driven()
        self.assertEqual((script.leave()[0], script.log()), (0, ["measure", "10", "begins", "ends"]))


class Starts(unittest.TestCase):
    def test_a_script_that_does_not_serve_is_reported_only_if_it_was_started_as_a_rig(self):
        forgotten = Script(self, end="")
        self.assertEqual(forgotten.wait(), (0, "my_rig.measure ended, and nothing served it: the script's last line must be measure.serve()\n"))
        others = [Script(self, end="", stdin=subprocess.DEVNULL), Script(self, end="", run="-c", arguments=["import my_rig"]),
                  Script(self, end="measure([[0, 0]], [0])"), Script(self, arguments=["--help"])]
        for script in others:
            self.assertEqual(script.wait(), (0, ""))
        self.assertNotIn("begins", others[3].log())

    def test_two_devices_in_a_file_serve_one_at_a_time(self):
        second = "\n@rig(inputs=bank('x', 1, 'V', 0, 1), outputs=bank('y', 1, 'V', 0, 1))\ndef lamp(x, p):\n    return x\nlamp.serve()"
        script = Script(self, end=second).hello()
        script.ask(2, struct.pack("<I", 0))
        self.assertIn(b'"name": "my_rig.lamp"', script.next(0x82)[1])
        self.assertEqual(script.leave(), (0, ""))
        self.assertEqual(script.log(), [])

    def test_help_lists_the_options_and_wrong_arguments_are_reported(self):
        for arguments, code, words in [(["--tcp", "nowhere"], 1, "'nowhere' is not an address"), (["--serial", "/dev/nowhere"], 1, "/dev/nowhere cannot be opened"),
                                       (["--baud", "1", "--serial", "/dev/null"], 1, "--baud 1"), (["--tpc"], 2, "unrecognized arguments"),
                                       (["--tcp", "0"], 1, "TWINPROP_TOKEN has 5 bytes")]:
            script = Script(self, arguments=arguments, environment={"TWINPROP_TOKEN": "short"} if "0" in arguments else ())
            found, said = script.wait()
            self.assertEqual(found, code)
            self.assertIn(words, said)
            self.assertEqual(script.log(), [])  # The device, which another process may serve, is not turned off.
        parser = twinprop_rig.Device(lambda xs, p: 0, twinprop_rig.bank("x", 2, "V", 0, 1), (), twinprop_rig.bank("y", 1, "V", 0, 1))._parser()
        for words in ("safe_seconds", "watchdog", "2 × x from 0 to 1 V", "--tcp"):
            self.assertIn(words, parser.format_help())

    @unittest.skipUnless(hasattr(os, "openpty"), "there are no pseudo-terminals")
    def test_a_serial_line(self):
        import tty

        ours, theirs = os.openpty()
        tty.setraw(theirs)
        script = Script(self, arguments=["--serial", os.ttyname(theirs)])
        host = Host(lambda data: os.write(ours, data), lambda: os.read(ours, 4096))
        script.send, script.came = host.send, host.came
        for _ in range(100):  # Bytes that are sent before the port is open are lost.
            script.ask(1)
            with contextlib.suppress(Exception):
                header, payload, _ = script.next(0x81, within=0.2)
                break
        script.boot = struct.unpack_from("<I", payload, 4)[0]
        script.drive()
        script.next(0x85)
        script.process.send_signal(signal.SIGTERM)
        script.ask(8)
        script.next(0x88)
        code, said = script.wait()
        self.assertEqual((code, script.log()), (0, ["measure", "begins", "ends"]), said)
        os.close(ours)
        os.close(theirs)


class Network(unittest.TestCase):
    def host(self, script):
        script.until(lambda: any(b"tcp://" in line for line in script.errors))
        port = int(re.search(rb"tcp://127.0.0.1:(\d+)", b"".join(script.errors))[1])
        link = socket.create_connection(("127.0.0.1", port))
        self.addCleanup(link.close)
        host = Host(link.sendall, lambda: link.recv(4096))
        host.link = link
        host.ask(1)
        return host

    def meet(self, host):
        host.boot = struct.unpack_from("<I", host.next(0x81, within=20)[1], 4)[0]
        return host

    def test_each_new_host_finds_a_safe_device(self):
        script = Script(self, arguments=["--tcp", "127.0.0.1:0"], off="time.sleep(0.6)")
        for session in range(1, 4):
            start = time.monotonic()
            host = self.meet(self.host(script))
            # Also while the device is going to its safe state, after a host that left without notice.
            self.assertLess(time.monotonic() - start, 0.5 if session > 1 else 20)
            host.open(session)
            host.configure(session=session)
            host.next(0x84)
            host.play(session=session)
            host.next(0x85)
            if session < 3:
                host.link.shutdown(socket.SHUT_RDWR)
        script.process.send_signal(signal.SIGTERM)
        host.ask(8)
        host.next(0x88)
        host.link.shutdown(socket.SHUT_RDWR)
        code, said = script.wait()
        self.assertEqual((code, script.log()), (0, ["measure", "begins", "ends"] * 3), said)

    @unittest.skipUnless(os.name == "posix", "there is no SIGHUP")
    def test_a_closed_terminal_does_not_prevent_the_safe_state(self):
        reader, writer = os.pipe()
        script = Script(self, arguments=["--tcp", "127.0.0.1:0"], stderr=writer, off="print('off'); print('off', file=sys.stderr)",
                        before="twinprop_rig.LAST_ANSWERS = 0.2; os.dup2(2, 1)")
        os.close(writer)
        while not script.errors:
            script.errors += [line for line in os.read(reader, 1000).splitlines() if b"tcp://" in line]
        host = self.meet(self.host(script))
        os.close(reader)
        host.open()
        host.configure()
        host.next(0x84)
        host.play()
        host.next(0x85)
        script.process.send_signal(signal.SIGHUP)
        self.assertEqual(script.process.wait(20), 0)
        self.assertEqual(script.log(), ["measure", "begins", "ends"])

    def test_a_silent_host_is_replaced_by_a_waiting_one(self):
        before = "twinprop_rig.TAKE_OVER = 0.5"
        script = Script(self, arguments=["--tcp", "127.0.0.1:0"], before=before, options="watchdog=0.2")
        first = self.meet(self.host(script))
        second = self.host(script)
        for _ in range(12):
            first.health()
            time.sleep(0.1)
        _, refusal, _ = second.next(0xFF)
        self.assertIn(b"another host is using the device", refusal)
        time.sleep(0.6)
        self.meet(self.host(script))

    def test_a_notebook_serves_in_the_background(self):
        end = ("import io\nsys.stdin = io.StringIO()\nmeasure.serve()\nmeasure.serve()\nlog('returned')\n"
               "while not os.path.exists('enough'):\n    time.sleep(0.02)\n")
        for last in ("measure.stop()\nmeasure.stop()", "pass"):
            script = Script(self, before="twinprop_rig.LAST_ANSWERS = 0.2", end="os.dup2(2, 1)\n" + end + last)
            script.until(lambda: "returned" in script.log())
            script.errors[:] = [line for line in script.errors if b"background" in line][1:]
            host = self.meet(self.host(script))
            host.open()
            host.configure()
            host.play()
            host.next(0x85)
            (script.path / "enough").touch()
            code, said = script.wait()
            self.assertEqual((code, script.log()[-3:]), (0, ["measure", "begins", "ends"]), said)


if __name__ == "__main__":
    unittest.main()
