"""python3 -m unittest discover python"""

import pathlib
import random
import struct
import unittest

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
                             (lambda xs, p: [[float("nan")]], b"measured channel 0 of nan"),
                             (lambda xs, p: [[0.0, 0.0]], b"no [1, 1]")]:
            device = Device(fault, bank("x", 2, "V", -1, 1), bank("p", 1, "V", 0, 1),
                            bank("y", 1, "V", -4, 4), name="faulty")
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


if __name__ == "__main__":
    unittest.main()
