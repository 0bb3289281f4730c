"""The protocol of twinprop_rig.py: frames, links and the safe state. Run by `python3 -m unittest discover python`."""

import contextlib
import io
import json
import pathlib
import queue
import random
import socket
import struct
import threading
import time
import unittest

import twinprop_rig
from twinprop_rig import Device, Header, bank, cobs_decode, cobs_encode, decode, encode, raster

VECTORS = pathlib.Path(__file__).parent.parent / "devices/vectors"


def oracle(**options):
    """y = x0 + 2 x1 + p."""
    return Device(
        lambda xs, p: [[x[0] + 2 * x[1] + p[0]] for x in xs],
        bank("x", 2, "V", -1, 1), bank("p", 1, "V", 0, 1), bank("y", 1, "V", -4, 4), **options
    )


class Frames(unittest.TestCase):
    def test_decoding_undoes_encoding(self):
        draw = random.Random(1)
        for length in list(range(20)) + [253, 254, 255, 508, 509, 2000]:
            for weight in (0, 1, 50):
                data = bytes(draw.choice([0, 1, 7]) if draw.randrange(100) < weight else 9
                             for _ in range(length))
                stuffed = cobs_encode(data)
                self.assertNotIn(0, stuffed)
                self.assertEqual(cobs_decode(stuffed), data)

    def test_a_damaged_frame_is_rejected(self):
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
        self.replay("conversation.txt", oracle(name="oracle", boot=7, largest_frame=128, window_frames=2, codes=False))

    def test_a_device_with_a_twin_answers_as_the_vectors_say(self):
        device = oracle(name="oracle", boot=7, largest_frame=128, window_frames=2, codes=False)
        device.safe(lambda: None)
        device.make_safe()
        device.twin(device.measure).vjp(lambda xs, p, dys: ([[d[0], 2 * d[0]] for d in dys], [[d[0]] for d in dys]))
        self.replay("twin.txt", device)

    def test_devices_with_rasters_answer_as_the_vectors_say(self):
        def delayed(shots, p):
            return [[int(p[0] > 0.5)] * 3 + list(shot[:6]) for shot in shots]

        def counted(shots, p):
            return [[p[0] + int(shot[i]) + int(shot[i + 3]) + int(shot[i + 6]) for i in range(3)] for shot in shots]

        for file, measure, outputs in [("spikes.txt", delayed, raster("r", 3, 3)), ("counts.txt", counted, bank("n", 3, "1", 0, 4))]:
            device = Device(measure, raster("s", 3, 3), bank("p", 1, "V", 0, 1), outputs,
                            name="oracle", boot=7, largest_frame=128, window_frames=2, codes=False)
            device.safe(lambda: None)
            device.make_safe()
            self.assertEqual(json.loads(device.description)["interface"]["inputs"],
                             [dict(name="s", count=9, unit="1", minimum=0, maximum=1, steps=3)])
            self.replay(file, device)

    def replay(self, file, device):
        expected, answers = [], []
        for line in (VECTORS / file).read_text().splitlines():
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

    def test_a_silent_host_and_a_fault_lead_to_the_safe_state(self):
        off = []
        device = oracle(watchdog=1.0)
        device.safe(lambda: off.append(True))
        self.assertEqual(self.drive(device, 0.5, 0.25)[1], struct.pack("<f", 1.5))
        device.watch()
        self.assertEqual(off, [])
        device.heard -= 1.5
        device.watch()
        self.assertEqual((off, device.trips, device.epoch), ([True], 1, 0))

    def test_a_fault_of_the_laboratory_is_reported_to_the_host(self):
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

    def test_during_a_long_measurement_the_device_sends_busy_frames_and_answers_pings(self):
        wire = self.driven(measure=lambda xs, p: time.sleep(0.8) or [[0.0] for _ in xs])
        wire.play()
        wire.until(lambda: wire.device.measuring)
        self.assertEqual(wire.health()[1], 0)
        header, _, busy = wire.next(0x85)
        self.assertEqual((header.sequence, header.channels), (1, 1))
        self.assertGreaterEqual(len(busy), 2)
        self.assertEqual({(b.session, b.sequence, b.epoch, b.shots, b.channels) for b in busy}, {(1, 1, 1, 1, 2)})

    def test_parameters_that_wait_behind_an_old_measurement_get_busy_frames(self):
        wire = self.driven(measure=lambda xs, p: time.sleep(0.7) or [[0.0] for _ in xs])
        wire.play()
        wire.until(lambda: wire.device.measuring)
        wire.open(2)
        wire.configure(session=2)
        header, _, busy = wire.next(0x84)
        self.assertEqual(header.session, 2)
        self.assertTrue(busy)
        self.assertEqual({(b.session, b.sequence) for b in busy}, {(2, 0)})

    def test_the_safe_reply_comes_after_the_ramp_which_runs_once(self):
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

    def test_a_failed_safe_state_is_reported_and_retried(self):
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

    def test_a_failed_safe_state_is_retried_at_the_end(self):
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

    def test_a_failed_measurement_that_leaves_the_device_driven_is_reported_as_a_failed_safe_state(self):
        wire = self.driven(measure=lambda xs, p: xs[9], safe=lambda: {}["supply"])
        with contextlib.redirect_stderr(io.StringIO()):
            wire.play()
            header, payload, _ = wire.next(0xFF)
            self.assertEqual((header.sequence, payload[:2], wire.health()[1]), (1, b"\7\0", 0))
            self.assertIn(b"KeyError: 'supply'", payload)
            self.assertIn(b"after the measurement failed: IndexError", payload)
            wire.close()

    def test_shots_that_wait_when_the_safe_state_is_requested_are_not_played(self):
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
        wire.play(2)  # A repeated request is answered from memory.
        self.assertEqual(wire.next(0xFF)[0].sequence, 2)

    def test_a_frame_that_is_repeated_while_it_is_played_is_played_once(self):
        wire = self.driven(measure=lambda xs, p: time.sleep(0.1) or [[0.0]])
        wire.play(1)
        wire.play(1)
        header, _, busy = wire.next(0x85)
        self.assertEqual((wire.device.played, busy[0].sequence), (1, 1))
        wire.play(1)
        self.assertEqual(wire.next(0x85)[0], header)
        self.assertEqual(wire.device.played, 1)

    def test_requests_of_a_lost_host_that_were_not_begun_are_expected_again(self):
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
        self.assertEqual(wire.next(0xFF)[1][:2], b"\2\0")  # The safe state has cleared the parameters.

    def test_a_silent_host_leaves_a_safe_device(self):
        runs = []
        wire = self.driven(safe=lambda: runs.append(1), watchdog=0.2)
        wire.play()
        wire.next(0x85)
        for _ in range(8):
            time.sleep(0.05)
            self.assertEqual(wire.health()[1], 0)
        wire.until(lambda: runs)
        self.assertEqual(wire.health()[1::2], (1, 1))

    def test_many_frames_in_flight_are_answered_in_order(self):
        wire = self.driven(window_frames=8)
        for first in range(1, 401, 8):
            for sequence in range(first, first + 8):
                wire.play(sequence, shots=3)
            self.assertEqual([wire.next(0x85)[0].sequence for _ in range(8)], list(range(first, first + 8)))
        self.assertEqual(wire.device.played, 1200)


if __name__ == "__main__":
    unittest.main()
