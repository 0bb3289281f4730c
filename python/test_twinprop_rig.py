"""python3 -m unittest discover python"""

import array
import contextlib
import functools
import io
import json
import pathlib
import queue
import random
import re
import socket
import struct
import threading
import time
import unittest
import warnings
from decimal import Decimal
from fractions import Fraction

import twinprop_rig
from twinprop_rig import Device, Header, bank, cobs_decode, cobs_encode, decode, encode

CONVERSATION = pathlib.Path(__file__).parent.parent / "devices/vectors/conversation.txt"


def oracle(**options):
    """y = x0 + 2 x1 + p."""
    return Device(
        lambda xs, p: [[x[0] + 2 * x[1] + p[0]] for x in xs],
        bank("x", 2, "V", -1, 1), bank("p", 1, "V", 0, 1), bank("y", 1, "V", -4, 4), **options
    )


class Frames(unittest.TestCase):
    def test_stuffing_is_undone(self):
        draw = random.Random(1)
        for length in list(range(20)) + [253, 254, 255, 508, 509, 2000]:
            for weight in (0, 1, 50):
                data = bytes(draw.choice([0, 1, 7]) if draw.randrange(100) < weight else 9
                             for _ in range(length))
                stuffed = cobs_encode(data)
                self.assertNotIn(0, stuffed)
                self.assertEqual(cobs_decode(stuffed), data)

    def test_a_damaged_frame_is_none(self):
        frame = encode(Header(1, 5, 1, 2, 3, 4, 5, 6), b"\0\1\2")
        self.assertEqual(decode(frame[1:-1])[1], b"\0\1\2")
        for place in range(1, len(frame) - 1):
            damaged = bytearray(frame[1:-1])
            damaged[place - 1] ^= 0x20
            self.assertIsNone(decode(bytes(damaged)))


class Conversation(unittest.TestCase):
    def setUp(self):
        self.clock, twinprop_rig.time.monotonic = twinprop_rig.time.monotonic, lambda: 0.0

    def tearDown(self):
        twinprop_rig.time.monotonic = self.clock

    def test_every_frame_is_answered_as_the_vectors_say(self):
        device = oracle(name="oracle", boot=7, largest_frame=128, window_frames=2, codes=False)
        expected, answers = [], []
        for line in CONVERSATION.read_text().splitlines():
            mark, _, rest = line.partition(" ")
            if mark == "d":
                device.description = rest.encode()
            elif mark == ">":
                self.assertEqual(answers, expected)
                answers, expected = list(device.receive(bytes.fromhex(rest))), []
            elif mark == "<":
                expected.append(bytes.fromhex(rest))
            elif mark == "~":
                header, payload = decode(answers[len(expected)][1:-1])
                self.assertEqual(encode(header, payload[:2]), bytes.fromhex(rest))
                expected.append(answers[len(expected)])
        self.assertEqual(answers, expected)


class Safety(unittest.TestCase):
    def drive(self, device, *values):
        """Opens a session, sets the parameter and plays one shot."""
        frames = [
            encode(Header(1, 3, 1, 0, 0, 0, 0, 0), struct.pack("<I", device.boot)),
            encode(Header(1, 4, 1, 0, 0, 0, 1, 1), struct.pack("<IIf", 0, 1, 0.5)),
            encode(Header(1, 5, 1, 1, 0, 1, 2, 1), struct.pack("<2f", *values)),
        ]
        return [decode(frame[1:-1]) for data in frames for frame in device.receive(data)][-1]

    def test_a_silent_host_and_a_fault_turn_the_drives_off(self):
        off = []
        device = oracle(watchdog=1.0)
        device.safe(lambda: off.append(True))
        self.assertEqual(self.drive(device, 0.5, 0.25)[1], struct.pack("<f", 1.5))
        device.watch()
        self.assertEqual(off, [])
        device.heard -= 1.5
        device.watch()
        self.assertEqual((off, device.trips, device.epoch), ([True], 1, 0))

    def test_a_fault_of_the_laboratory_is_told_to_the_host(self):
        for fault, words in [(lambda xs, p: 1 / 0, b"ZeroDivisionError"),
                             (lambda xs, p: [[float("nan")]], b"reading `y 0` of shot 0 is NaN"),
                             (lambda xs, p: [[0.0, 0.0]], b"row 0 has 2 readings")]:
            device = Device(fault, bank("x", 2, "V", -1, 1), bank("p", 1, "V", 0, 1),
                            bank("y", 1, "V", -4, 4), name="faulty")
            with contextlib.redirect_stderr(io.StringIO()):
                header, payload = self.drive(device, 0.0, 0.0)
            self.assertEqual((header.kind, payload[:2]), (0xFF, b"\5\0"))
            self.assertIn(words, payload)
            self.assertTrue(device.is_safe)

    def test_random_bytes_do_no_harm(self):
        draw, device = random.Random(2), oracle()
        for _ in range(2000):
            data = bytes(draw.randrange(256) for _ in range(draw.randrange(300)))
            list(device.receive(data))
        self.assertLessEqual(len(device.rest), device.largest_frame + 1)
        self.assertEqual(device.played, 0)


class Host:
    """A host's end of a link."""

    def __init__(self, send, receive):
        self.send, self.came, self.boot = send, queue.Queue(), 0
        threading.Thread(target=self.listen, args=(receive,), daemon=True).start()

    def listen(self, receive):
        rest = b""
        with contextlib.suppress(OSError, ValueError):
            for data in iter(receive, b""):
                *pieces, rest = (rest + data).split(b"\0")
                for frame in filter(None, map(decode, filter(None, pieces))):
                    self.came.put(frame)

    def ask(self, kind, payload=b"", session=0, sequence=0, **rest):
        fields = dict(first_shot=0, shots=0, channels=0, epoch=0, **rest)
        self.send(encode(Header(1, kind, session, sequence, **fields), payload))

    def next(self, *kinds, within=5.0):
        """The next frame of these kinds and how many busy frames came before it."""
        busy = []
        end = time.monotonic() + within
        while True:
            header, payload = self.came.get(timeout=max(0.01, end - time.monotonic()))
            if header.kind in kinds:
                return header, payload, busy
            if header.kind == 0xFD:
                busy.append(header)

    def open(self, session=1):
        self.ask(3, struct.pack("<I", self.boot), session)
        return struct.unpack("<II", self.next(0x83)[1])[1]

    def configure(self, sequence=0, session=1):
        self.send(encode(Header(1, 4, session, sequence, 0, 0, 1, 1), struct.pack("<IIf", 0, 1, 0.5)))

    def play(self, sequence=1, session=1, shots=1):
        self.send(encode(Header(1, 5, session, sequence, 0, shots, 2, 1), bytes(8 * shots)))

    def until(self, condition):
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end, "it did not happen within 5 s"
            time.sleep(0.005)

    def health(self):
        self.ask(7)
        return struct.unpack("<IIIIQ", self.next(0x87)[1])


class Wire(Host):
    """A host of `device`, which serves in a thread."""

    def __init__(self, device):
        self.ours, theirs = socket.socketpair()
        super().__init__(self.ours.sendall, lambda: self.ours.recv(4096))
        self.device, self.boot = device, device.boot
        self.serving = threading.Thread(target=self.serve, args=(theirs,), daemon=True)
        self.serving.start()

    def serve(self, link):
        self.device.serve_files(lambda: link.recv(4096), link.sendall)
        link.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.ours.shutdown(socket.SHUT_RDWR)
        self.serving.join(5)
        self.ours.close()


class Links(unittest.TestCase):
    def device(self, measure=None, safe=None, **options):
        device = Device(measure or (lambda xs, p: [[0.0] for _ in xs]),
                        bank("x", 2, "V", -1, 1), bank("p", 1, "V", 0, 1), bank("y", 1, "V", -4, 4), **options)
        if safe:
            device.safe(safe)
        return device

    def driven(self, **options):
        wire = Wire(self.device(**options))
        self.addCleanup(wire.close)
        wire.open()
        wire.configure()
        wire.next(0x84)
        return wire

    def test_a_long_measurement_says_busy_and_answers_pings(self):
        wire = self.driven(measure=lambda xs, p: time.sleep(0.8) or [[0.0] for _ in xs])
        wire.play()
        wire.until(lambda: wire.device.measuring)
        self.assertEqual(wire.health()[1], 0)
        header, _, busy = wire.next(0x85)
        self.assertEqual((header.sequence, header.channels), (1, 1))
        self.assertGreaterEqual(len(busy), 2)
        self.assertEqual({(b.session, b.sequence, b.epoch, b.shots, b.channels) for b in busy}, {(1, 1, 1, 1, 2)})

    def test_parameters_that_wait_behind_an_old_measurement_are_told_busy(self):
        wire = self.driven(measure=lambda xs, p: time.sleep(0.7) or [[0.0] for _ in xs])
        wire.play()
        wire.until(lambda: wire.device.measuring)
        wire.open(2)
        wire.configure(session=2)
        header, _, busy = wire.next(0x84)
        self.assertEqual(header.session, 2)
        self.assertTrue(busy)
        self.assertEqual({(b.session, b.sequence) for b in busy}, {(2, 0)})

    def test_the_safe_reply_comes_when_the_ramp_has_ended_and_it_ramps_once(self):
        runs = []
        wire = self.driven(safe=lambda: (time.sleep(0.7), runs.append(1)))
        wire.play()
        wire.next(0x85)
        self.assertEqual(wire.health()[1], 0)
        for sequence in (0, 0, 3):
            wire.ask(8, session=1, sequence=sequence)
        self.assertEqual(wire.health()[1], 0)
        header, _, busy = wire.next(0x88)
        self.assertEqual((runs, header.session, header.sequence), ([1], 1, 0))
        self.assertIn((0xFD, 1, 0), {(b.kind, b.session, b.sequence) for b in busy})
        self.assertGreaterEqual(len(busy), 2)
        self.assertEqual(wire.next(0x88)[0].sequence, 3)
        wire.ask(8, session=1, sequence=4)
        self.assertEqual(wire.next(0x88)[0].sequence, 4)
        self.assertEqual(wire.health()[1], 1)
        wire.close()
        self.assertEqual(runs, [1])

    def test_a_safe_state_that_fails_is_told_and_tried_again(self):
        runs = []

        def off():
            runs.append(1)
            if len(runs) < 3:
                raise SystemExit("no answer from the supply")

        with contextlib.redirect_stderr(io.StringIO()) as said:
            wire = self.driven(safe=off)
            wire.play()
            wire.next(0x85)
            wire.ask(8, session=1, sequence=9)
            header, payload, _ = wire.next(0xFF, 0x88)
            self.assertEqual((header.kind, header.sequence, payload[:2]), (0xFF, 9, b"\7\0"))
            self.assertIn(b"SystemExit: no answer from the supply", payload)
            self.assertIn(b"test_twinprop_rig.py:", payload)
            self.assertEqual(wire.health()[1], 0)
            wire.ask(8, session=1, sequence=10)
            self.assertEqual(wire.next(0xFF, 0x88)[0].kind, 0xFF)
            wire.ask(8, session=1, sequence=11)
            self.assertEqual(wire.next(0xFF, 0x88)[0].kind, 0x88)
            self.assertEqual(wire.health()[1], 1)
            wire.close()
        self.assertEqual(len(runs), 3)
        self.assertIn("THE SAFE STATE FAILED", said.getvalue())


    def test_a_safe_state_that_failed_at_the_end_is_tried_once_more(self):
        runs = []
        wire = self.driven(safe=lambda: runs.append(1) or 1 / 0)
        with contextlib.redirect_stderr(io.StringIO()):
            wire.play()
            wire.next(0x85)
            wire.ask(8)
            wire.next(0xFF)
            wire.close()
        self.assertEqual(len(runs), 2)
        self.assertTrue(wire.device.failure)

    def test_a_measurement_that_fails_and_leaves_the_device_driven_is_told_as_that(self):
        wire = self.driven(measure=lambda xs, p: xs[9], safe=lambda: {}["supply"])
        with contextlib.redirect_stderr(io.StringIO()):
            wire.play()
            header, payload, _ = wire.next(0xFF)
            self.assertEqual((header.sequence, payload[:2], wire.health()[1]), (1, b"\7\0", 0))
            self.assertIn(b"KeyError: 'supply'", payload)
            self.assertIn(b"after the measurement failed: IndexError", payload)
            wire.close()

    def test_what_waits_when_the_safe_state_is_asked_for_is_not_played(self):
        played = []
        wire = self.driven(measure=lambda xs, p: played.append(1) or time.sleep(0.3) or [[0.0]], safe=lambda: None)
        for sequence in (1, 2, 3):
            wire.play(sequence)
        wire.until(lambda: len(wire.device.jobs) == 2)
        wire.ask(8)
        header, payload, _ = wire.next(0xFF)
        self.assertEqual((header.sequence, payload[:2]), (2, b"\2\0"))
        wire.next(0x88)
        self.assertEqual(played, [1])
        wire.play(2)  # Asked for again, it is answered from memory.
        self.assertEqual(wire.next(0xFF)[0].sequence, 2)

    def test_a_frame_that_is_at_work_and_comes_again_is_not_played_again(self):
        wire = self.driven(measure=lambda xs, p: time.sleep(0.1) or [[0.0]])
        wire.play(1)
        wire.play(1)
        header, _, busy = wire.next(0x85)
        self.assertEqual((wire.device.played, busy[0].sequence), (1, 1))
        wire.play(1)
        self.assertEqual(wire.next(0x85)[0], header)
        self.assertEqual(wire.device.played, 1)

    def test_what_a_lost_host_asked_for_is_expected_again(self):
        device = self.device(measure=lambda xs, p: time.sleep(0.3) or [[0.0]])
        wire = Wire(device)
        wire.open()
        wire.configure()
        for sequence in (1, 2, 3):
            wire.play(sequence)
        wire.until(lambda: device.measuring)
        wire.close()
        wire = Wire(device)
        self.addCleanup(wire.close)
        self.assertEqual(wire.open(), 2)
        wire.play(1)
        self.assertEqual(wire.next(0x85)[0].sequence, 1)
        wire.play(2)
        self.assertEqual(wire.next(0xFF)[1][:2], b"\2\0")  # The parameters are gone.

    def test_a_host_that_falls_silent_leaves_a_safe_device(self):
        runs = []
        wire = self.driven(safe=lambda: runs.append(1), watchdog=0.2)
        wire.play()
        wire.next(0x85)
        for _ in range(8):
            time.sleep(0.05)
            self.assertEqual(wire.health()[1], 0)
        wire.until(lambda: runs)
        self.assertEqual(wire.health()[1::2], (1, 1))

    def test_many_frames_on_the_way_are_answered_in_order(self):
        wire = self.driven(window_frames=8)
        for first in range(1, 401, 8):
            for sequence in range(first, first + 8):
                wire.play(sequence, shots=3)
            self.assertEqual([wire.next(0x85)[0].sequence for _ in range(8)], list(range(first, first + 8)))
        self.assertEqual(wire.device.played, 1200)


class Broken(Exception):
    def __str__(self):
        raise KeyboardInterrupt


class Faults(unittest.TestCase):
    def text_of(self, measure, **options):
        device = Device(measure, bank("x", 2, "V", -1, 1), bank("p", 1, "V", 0, 1), bank("y", 1, "V", -4, 4), **options)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            header, payload = Safety.drive(self, device, 0.0, 0.0)
            self.assertEqual((header.kind, payload[:2]), (0xFF, b"\5\0"))
            # It lives, and can be asked again.
            device.measure = lambda xs, p: [[1.0]]
            frames = [encode(Header(1, 4, 1, 2, 0, 0, 1, 2), struct.pack("<IIf", 0, 1, 0.5)),
                      encode(Header(1, 5, 1, 3, 0, 1, 2, 2), bytes(8))]
            again = [decode(f[1:-1]) for data in frames for f in device.receive(data)][-1]
        self.assertEqual(again[0].kind, 0x85)
        self.said = said.getvalue()
        return payload[2:].decode()  # Always UTF-8.

    def test_whatever_is_raised_reaches_the_host(self):
        def throw(error):
            def measure(xs, p):
                raise error

            return measure

        for error, words in [
            (SystemExit("no beam"), "SystemExit: no beam"), (SystemExit(), "SystemExit"), (KeyboardInterrupt(), "KeyboardInterrupt"),
            (GeneratorExit(), "GeneratorExit"), (StopIteration(3), "StopIteration: 3"), (Broken(), "KeyboardInterrupt in __str__"),
            (ValueError("caf\udce9 \x1b[31m \0"), "caf\\udce9 \\x1b[31m \\x00"), (OSError("x" * 100000), "xxx"),
            (KeyError("gain"), "KeyError: 'gain'"), (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), "UnicodeDecodeError"),
            (MemoryError(), "MemoryError"), (type("Ünwell", (Exception,), {})("µA"), "Ünwell: µA"),
        ]:
            text = self.text_of(throw(error))
            self.assertIn(words, text)
            self.assertRegex(text, r"test_twinprop_rig.py:\d+ in measure: raise error")
            self.assertLessEqual(len(text.encode()), 1000)
            self.assertLessEqual(len(text.splitlines()), 6)
            self.assertIn("Traceback", self.said)

    def test_the_cause_and_the_parts_of_a_group_are_told(self):
        def measure(xs, p):
            try:
                open("/nonexistent/camera")
            except OSError as error:
                raise RuntimeError("no camera") from error

        self.assertRegex(self.text_of(measure), r"RuntimeError: no camera\n  after FileNotFoundError: .*camera")
        if hasattr(__builtins__, "ExceptionGroup") or "ExceptionGroup" in dir(__import__("builtins")):
            def measure(xs, p):
                raise ExceptionGroup("both", [ValueError("left"), OSError("right")])

            self.assertRegex(self.text_of(measure), r"ExceptionGroup: both.*\n  with ValueError: left\n  with OSError: right")

    def test_the_last_places_of_the_script_and_the_place_of_the_fault_are_told(self):
        def deep(n):
            return deep(n - 1) if n else json.loads("{")

        text = self.text_of(lambda xs, p: deep(5000))
        self.assertIn("RecursionError", text)
        text = self.text_of(lambda xs, p: deep(10))
        self.assertEqual(text.count("in deep"), 3)
        self.assertIn("decoder.py:", text.splitlines()[-1])

    def test_a_small_frame_gets_a_short_text(self):
        text = self.text_of(lambda xs, p: [] + "é" * 1000, largest_frame=64)
        self.assertLessEqual(len(text.encode()), 64)

    def test_a_fault_that_comes_again_fills_no_terminal(self):
        device = oracle()
        device.measure = lambda xs, p: 1 / 0
        with contextlib.redirect_stderr(io.StringIO()) as said:
            for session in range(1, 6):
                frames = [encode(Header(1, 3, session, 0, 0, 0, 0, 0), struct.pack("<I", device.boot)),
                          encode(Header(1, 4, session, 0, 0, 0, 1, 1), struct.pack("<IIf", 0, 1, 0.5)),
                          encode(Header(1, 5, session, 1, 0, 1, 2, 1), bytes(8))]
                self.assertEqual([decode(f[1:-1])[0].kind for d in frames for f in device.receive(d)], [0x83, 0x84, 0xFF])
        self.assertEqual(said.getvalue().count("Traceback"), 1)


class Odd:
    """A number of another library."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return float(self.value)


class Readings(unittest.TestCase):
    """What measure() may return, by calling it as a function; with lists, as without NumPy."""

    numpy = None

    def setUp(self):
        self.there, twinprop_rig.numpy = twinprop_rig.numpy, self.numpy

    def tearDown(self):
        twinprop_rig.numpy = self.there

    def returned(self, value, outputs=None, shots=2):
        device = Device(lambda xs, p: value, bank("x", 1, "V", -1, 1), (), outputs or bank("y", 3, "V", -5, 3.3), name="rig")
        found = device([[0.5]] * shots)
        return [[float(v) for v in row] for row in found]

    def refused(self, value, *words, **options):
        with self.assertRaises(ValueError) as caught:
            self.returned(value, **options)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_shapes_are_told(self):
        row = [1.0, 2.0, 3.0]
        want = "[2, 3] is expected: 2 shots of 3 readings"
        self.refused(None, "None came (is there a `return`?)", want)
        self.refused(1.5, "a float came", want)
        self.refused("12", "a str came", want)
        self.refused({"y": row}, "a dict came", want)
        self.refused((r for r in [row, row]), "a generator came", want)
        self.refused([], "[0] came", want)
        self.refused([row], "[1, 3] came", want)
        self.refused([row] * 3, "[3, 3] came", want)
        self.refused([[1, 2]] * 3, "[3, 2] came", want, "it is the transpose: a row is a shot")
        self.refused(row, "[3] came", want)
        self.refused([1.0, 2.0], "[2] came", "each shot is a row", outputs=bank("y", 1, "V", 0, 5))
        self.refused(row, "[3] came", "one shot is a list with one row", shots=1)
        self.refused([row, row[:2]], "row 1 has 2 readings, and 3 are expected (y 0 to y 2)")
        self.refused([row, 4.0], "row 1 is 4.0, and 3 readings are expected")
        self.refused([row, row, row[:1]], "3 rows of unequal lengths came", want)
        self.refused([row, None], "row 1 is None")

        async def coroutine():
            pass

        waits = coroutine()
        self.refused(waits, "a coroutine came, which asyncio.run() must run")
        waits.close()

    def test_values_that_are_no_numbers_are_told_with_shot_and_channel(self):
        two = [bank("a", 1, "V", 0, 5), bank("y", 2, "mV", 0, 5)]
        for value, words in [
            (None, "is None"), ("1.5", "is the text '1.5'"), (b"1", "is the text b'1'"), (1 + 1j, "is complex, (1+1j)"),
            (float("nan"), "is NaN"), (float("inf"), "is inf mV, outside 0.0 to 5.0 mV"), (10**400, "is inf mV"), (1e39, "is 1e+39 mV"),
            (-1, "is -1.0 mV, outside 0.0 to 5.0 mV"), ([1.0], "is [1.0], a list"), (object, "is <class 'object'>, a type; a number is expected"),
        ]:
            self.refused([[0, 1, 2], [0, 1, value]], "reading `y 1` of shot 1 " + words, outputs=two)

    def test_numbers_of_any_kind_are_taken(self):
        row = [True, Fraction(1, 2), Decimal("0.25")]
        self.assertEqual(self.returned([row, (Odd(2), 1, 0.5)]), [[1, 0.5, 0.25], [2, 1, 0.5]])
        self.assertEqual(self.returned([array.array("d", [1, 2, 3]), (0, 0, 0)]), [[1, 2, 3], [0, 0, 0]])

    def test_a_reading_at_the_limit_is_in_range(self):
        for low, high in [(0, 3.3), (-3.3, 3.3), (0.1, 0.7), (-1e-9, 5e-9), (0, 5e-30), (-2e30, 3e30), (1e6, 1000000.1), (-7, 0)]:
            limits = bank("y", 3, "V", low, high)
            least, most = (struct.unpack("<f", struct.pack("<f", v))[0] for v in (low, high))
            step = max(abs(least), abs(most)) * 2.0**-24
            for value in (low, high, least, most, low - step, high + step):
                row, _ = self.returned([[value] * 3] * 2, outputs=limits)
                self.assertTrue(all(least <= v <= most for v in row), (low, high, value, row))
            for value in (low - 6 * step, high + 6 * step, low - 0.01 * (high - low) - 6 * step):
                self.refused([[low, value, high]] * 2, "`y 1` of shot 0", "outside", outputs=limits)

    def test_drives_and_parameters_are_checked_and_are_the_functions_own(self):
        kept = []

        def measure(inputs, parameters):
            kept.append([float(v) for v in parameters])
            for row in inputs:
                row[0] = 0
            parameters[0] = 9
            return [[float(len(inputs))]] * len(inputs)

        device = Device(measure, bank("x", 2, "V", -1, 1), bank("p", 1, "V", 0.1, 1), bank("y", 1, "V", -4, 4), name="rig")
        given, setting = [[0.5, 0.25], [1, 1]], [0.5]
        self.assertEqual([list(row) for row in device(given, setting)], [[2.0], [2.0]])
        self.assertEqual((given, setting), ([[0.5, 0.25], [1, 1]], [0.5]))
        for arguments, words in [(([[2, 0]], [0.5]), "drive `x 0` of shot 0 is 2"), (([[0, 0]], [0]), "parameter `p 0` is 0.0 V"),
                                 (([[0, 0]], []), "row 0 has 0 parameters, and 1 are expected"), (([0, 0], [1]), "[2] came"),
                                 (([[0, 0]],), "row 0 has 0 parameters")]:
            with self.assertRaisesRegex(ValueError, "rig: .*" + re.escape(words)):
                device(*arguments)
        self.assertEqual(device.__name__, "measure")
        # Twice the same parameters, although the function writes on them; at the limit as they were given.
        header, payload = Safety.drive(self, device, 0.5, 0.5)
        self.assertEqual((header.kind, len(kept)), (0x85, 2))
        frames = [encode(Header(1, 4, 1, 2, 0, 0, 1, 2), struct.pack("<IIf", 0, 1, 0.1)),
                  *(encode(Header(1, 5, 1, n, 0, 1, 2, 2), bytes(8)) for n in (3, 4))]
        kinds = [decode(f[1:-1])[0].kind for data in frames for f in device.receive(data)]
        self.assertEqual((kinds, kept[-1]), ([0x84, 0x85, 0x85], kept[-2]))
        self.assertAlmostEqual(kept[-1][0], 0.1, places=8)
        if not self.numpy:
            self.assertEqual(kept[-1], [0.1])

    def test_codes_are_the_ends_of_the_range(self):
        device = Device(lambda xs, p: [[3.3, 0.1]] * len(xs), bank("x", 2, "V", 0.1, 3.3), (), bank("y", 2, "V", 0.1, 3.3), name="rig")
        frames = [encode(Header(1, 3, 1, 0, 0, 0, 0, 0), struct.pack("<I", device.boot)),
                  encode(Header(1, 4, 1, 0, 0, 0, 0, 1), struct.pack("<II", 0, 0)),
                  encode(Header(1, 6, 1, 1, 0, 2, 2, 1), struct.pack("<4H", 0, 65535, 32768, 1))]
        header, payload = [decode(f[1:-1]) for data in frames for f in device.receive(data)][-1]
        self.assertEqual((header.kind, struct.unpack("<4H", payload)), (0x86, (65535, 0) * 2))


@unittest.skipUnless(twinprop_rig.numpy, "there is no NumPy")
class ReadingsWithNumpy(Readings):
    numpy = twinprop_rig.numpy

    def test_arrays(self):
        np = self.numpy
        good = np.array([[1, 2, 3], [3, 2, 1]])
        for kind in "float64 float32 float16 longdouble int8 uint16 int64 bool object".split():
            self.assertEqual(self.returned(good.astype(kind)), good.astype(kind).astype(float).tolist())
        self.assertEqual(self.returned(np.asfortranarray(good * 1.0)[:, ::-1]), good[:, ::-1].tolist())
        self.assertEqual(self.returned(list(good)), good.tolist())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.assertEqual(self.returned(np.matrix(good)), good.tolist())
        self.assertEqual(self.returned(np.ma.masked_greater(good, 9)), good.tolist())
        self.assertEqual(self.returned([np.float64(1), np.array(2), 3.0] and [[np.float64(1), np.array(2), 3]] * 2), [[1, 2, 3]] * 2)
        for value, words in [
            (good[0], "[3] came"), (good.T, "[3, 2] came"), (good[None], "[1, 2, 3] came"), (np.array(1.0), "[] came"),
            (good + 0j, "`y 0` of shot 0 is complex"), ([good[0], good[1] * 1j], "`y 0` of shot 1 is complex"),
            ((good + 0j).astype("complex64"), "is complex"), (good.astype("U3"), "`y 0` of shot 0 is the text"),
            (np.ma.masked_equal(good, 2), "`y 1` of shot 0 is masked"), ([good[0], np.ma.masked_equal(good[1], 1)], "`y 2` of shot 1 is masked"),
            ([[1, 2, np.ma.masked]] * 2, "`y 2` of shot 0 is masked"), (np.where(good > 2, np.nan, good), "`y 2` of shot 0 is NaN"),
            (good.astype("m8[s]"), "a number is expected"), (good.astype("M8[s]"), "a number is expected"),
            (np.array([[1, 2, None]] * 2), "`y 2` of shot 0 is None"), (good * 1e300, "`y 0` of shot 0 is 1e+300 V"),
        ]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.refused(value, words)

    def test_what_it_gets_are_arrays_that_it_may_write_on(self):
        kinds = []

        def measure(inputs, parameters):
            kinds.append((inputs.shape, str(inputs.dtype), parameters.shape, str(parameters.dtype)))
            inputs *= 2
            parameters += 1
            return inputs[:, :1]

        device = Device(measure, bank("x", 2, "V", -1, 1), bank("p", 1, "V", 0, 1), bank("y", 1, "V", -4, 4), name="rig")
        self.assertEqual(struct.unpack("<f", Safety.drive(self, device, 0.5, 0)[1]), (1.0,))
        self.assertEqual(device(self.numpy.array([[0.5, 0.0]]), self.numpy.array([1.0])).tolist(), [[1.0]])
        self.assertEqual(kinds, [((1, 2), "float32", (1,), "float32")] * 2)


class Interface(unittest.TestCase):
    def test_the_description_holds_what_was_given(self):
        description = json.loads(oracle(safe_seconds=30, largest_shot_rate=5, serial_number=7).description)
        self.assertEqual((description["safe_seconds"], description["largest_shot_rate"]), (30.0, 5.0))
        self.assertEqual(description["serial_number"], "7")
        # Hosts refuse keys that they do not know: what was not given is left out.
        self.assertEqual(sorted(json.loads(oracle().description)), ["firmware", "interface", "name", "serial_number"])

    def test_a_device_is_called_after_script_and_function(self):
        def spectrum(xs, p):
            pass

        sides = bank("x", 1, "V", 0, 1), (), bank("y", 1, "V", 0, 1)
        for function, name in [(spectrum, "test_twinprop_rig.spectrum"), (lambda xs, p: 0, "test_twinprop_rig.lambda"),
                               (functools.partial(spectrum, p=0), "test_twinprop_rig.spectrum"), (self.sum_up, "test_twinprop_rig.sum_up")]:
            device = Device(function, *sides)
            about = json.loads(device.description)
            self.assertEqual((about["name"], about["interface"]["device"]), (name, name))
        self.assertEqual(json.loads(Device(spectrum, *sides, name="lamp").description)["name"], "lamp")

    def sum_up(self, xs, p):
        pass

    def test_banks_that_cannot_be_are_refused(self):
        for arguments in [("x", 0, "V", 0, 1), ("x", 1, "V", 1, 1), ("x", 1, "V", 2, 1), ("x", 1, "V", 0, float("nan")),
                          ("x", 1, "V", 0, 1e39), ("x", 1, "Hz", 2e14, 2e14 + 1)]:
            with self.assertRaisesRegex(ValueError, "bank 'x'"):
                bank(*arguments)
        with self.assertRaises(TypeError):
            bank("x", 1.5, "V", 0, 1)

    def test_a_wrong_decoration_is_told_at_once(self):
        x = bank("x", 1, "V", 0, 1)
        with self.assertRaisesRegex(TypeError, "write @rig"):
            @twinprop_rig.rig
            def measure(inputs, parameters):
                pass
        with self.assertRaisesRegex(TypeError, r"lonely\(inputs\) must take two arguments"):
            @twinprop_rig.rig(inputs=x, outputs=x)
            def lonely(inputs):
                pass
        with self.assertRaisesRegex(ValueError, "inputs and outputs"):
            twinprop_rig.rig(inputs=x, outputs=[])(lambda xs, p: 0)
        for option, value in [("safe_seconds", 0), ("safe_seconds", 3601), ("largest_shot_rate", -1), ("seconds_per_shot", float("nan"))]:
            with self.assertRaisesRegex(ValueError, option):
                twinprop_rig.rig(inputs=x, outputs=x, **{option: value})(lambda xs, p: 0)

    def test_a_frame_holds_a_shot_of_many_channels(self):
        x, many = bank("x", 1, "V", 0, 1), bank("pixel", 12000, "1", 0, 1)
        device = Device(lambda xs, p: [[0.5] * 12000] * len(xs), x, (), many, name="camera")
        self.assertGreaterEqual(twinprop_rig.largest_payload(device.largest_frame), 48000)
        with self.assertRaisesRegex(ValueError, "does not hold a shot"):
            Device(lambda xs, p: 0, x, (), bank("pixel", 20000, "1", 0, 1), name="camera")

    def test_frames_of_any_content_do_no_harm(self):
        draw, device = random.Random(3), oracle(largest_frame=256)
        device.safe(lambda: None)
        list(device.receive(encode(Header(1, 3, 1, 0, 0, 0, 0, 0), struct.pack("<I", device.boot))))
        for _ in range(4000):
            header = Header(1, draw.choice([4, 5, 5, 6, draw.randrange(12)]), device.session + draw.choice([0] * 9 + [1]), draw.choice([device.expected] * 3 + [0]), 0,
                            draw.choice([1, 1, 1, draw.randrange(1 << 16)]), draw.choice([1, 2, 2, 3]), draw.choice([device.epoch, 1]))
            payload = draw.choice([b"", bytes(8), struct.pack("<I", device.boot), struct.pack("<IIf", 0, 1, 0.5),
                                   bytes(draw.randrange(256) for _ in range(draw.choice([1, 4, 8, 12, 16, 40])))])
            list(device.receive(encode(header, payload)))
        self.assertGreater(device.played, 20)
        self.assertLessEqual(len(device.answers), device.window_frames)


if __name__ == "__main__":
    unittest.main()
