"""The digital twin that a rig serves: predictions and vector-Jacobian products, and what it may return."""

import contextlib
import io
import struct
import unittest

import test_twinprop_rig as protocol
from twinprop_rig import Device, Header, Misfit, bank, decode, encode, largest_payload

try:
    import numpy
except ImportError:
    numpy = None
try:
    import torch
except ImportError:
    torch = None

PREDICT, VJP, PREDICTED, COTANGENTS, ERROR = 0x0A, 0x0B, 0x8B, 0x8C, 0xFF
XS, P, DYS = [[0.5, -0.25], [-1.0, 1.0]], [0.5], [[2.0], [-1.0]]


def model(xs, p):
    """y = x0 x1 + 3 p x1."""
    return [[x[0] * x[1] + 3 * p[0] * x[1]] for x in xs]


WANTED = [[x[1] * d[0], (x[0] + 1.5) * d[0], 3 * x[1] * d[0]] for x, d in zip(XS, DYS)]


class Twins(unittest.TestCase):
    def device(self, twin=model, vjp=None, parameters=bank("p", 1, "V", 0, 1), **options):
        def measure(xs, p):
            raise AssertionError("the device is driven")

        device = Device(measure, bank("x", 2, "V", -1, 1), parameters, bank("y", 1, "V", -4, 4), **options)
        device.safe(lambda: None)
        device.make_safe()
        if twin:
            served = device.twin(twin)
            if vjp:
                served.vjp(vjp)
        self.addCleanup(self.assertEqual, 0, device.played)
        self.addCleanup(lambda: self.assertTrue(device.is_safe and not device.driven))
        return device

    def ask(self, device, kind, values=None, shots=2, setting=P):
        """The answer to a question to the twin of a device that was opened and configured."""
        values = values or [v for x, d in zip(XS, DYS) for v in (*x, *(d if kind == VJP else ()))]
        start = struct.pack("<I", device.boot)
        count = len(setting)
        frames = [encode(Header(1, 3, 1, 0, 0, 0, 0, 0), start),
                  encode(Header(1, 4, 1, device.expected, 0, 0, count, 1), struct.pack(f"<II{count}f", 0, count, *setting)),
                  encode(Header(1, kind, 1, device.expected + 1, 0, shots, len(values) // shots, 1),
                         struct.pack(f"<{len(values)}f", *values))]
        with contextlib.redirect_stderr(io.StringIO()):
            header, payload = [decode(frame[1:-1]) for data in frames for frame in device.receive(data)][-1]
        if header.kind == ERROR:
            return header, payload
        flat = struct.unpack(f"<{len(payload) // 4}f", payload)
        return header, [list(flat[at : at + header.channels]) for at in range(0, len(flat), header.channels)]

    def near(self, found, wanted, places=5):
        self.assertEqual([len(row) for row in found], [len(row) for row in wanted])
        for row, other in zip(found, wanted):
            for value, expected in zip(row, other):
                self.assertAlmostEqual(value, expected, places)

    def test_the_hello_reply_says_whether_there_is_a_twin(self):
        for twin, abilities in [(model, 7), (None, 3)]:
            device = self.device(twin)
            (frame,) = device.receive(encode(Header(1, 1, 0, 0, 0, 0, 0, 0)))
            self.assertEqual(decode(frame[1:-1])[1][2], abilities)

    def test_a_device_without_a_twin_does_not_know_the_requests(self):
        for kind in (PREDICT, VJP):
            header, payload = self.ask(self.device(None), kind)
            self.assertEqual((header.kind, payload[:2]), (ERROR, b"\6\0"))

    def test_predictions_may_leave_the_range_of_the_readings(self):
        header, found = self.ask(self.device(lambda xs, p: [[100 * x[0]] for x in xs]), PREDICT)
        self.assertEqual((header.kind, header.channels, header.shots), (PREDICTED, 1, 2))
        self.assertEqual(found, [[50.0], [-100.0]])

    def test_central_differences_also_at_the_ends_of_the_ranges(self):
        seen = []

        def inside(xs, p):
            seen.extend([*map(float, p), *(float(v) for x in xs for v in x)])
            return model(xs, p)

        header, found = self.ask(self.device(inside), VJP)
        self.assertEqual((header.kind, header.channels, header.shots), (COTANGENTS, 3, 2))
        self.near(found, WANTED, 4)
        self.assertTrue(all(-1 <= value <= 1 for value in seen))
        _, found = self.ask(self.device(inside), VJP, setting=[1.0])
        self.near([[row[2]] for row in found], [[row[2]] for row in WANTED], 4)

    def test_a_product_of_its_own_is_of_each_shot_or_summed(self):
        def each(xs, p, dys):
            rows = [[x[1] * d[0], (x[0] + 3 * p[0]) * d[0], 3 * x[1] * d[0]] for x, d in zip(xs, dys)]
            return [row[:2] for row in rows], [row[2:] for row in rows]

        def summed(xs, p, dys):
            dx, dp = each(xs, p, dys)
            return dx, [sum(row[0] for row in dp)]

        _, found = self.ask(self.device(vjp=each), VJP)
        self.near(found, WANTED)
        _, found = self.ask(self.device(vjp=summed), VJP)
        self.near([row[:2] for row in found], [row[:2] for row in WANTED])
        self.near([[row[2]] for row in found], [[sum(row[2] for row in WANTED)], [0.0]])
        if numpy:
            def arrays(xs, p, dys):
                self.assertEqual((xs.shape, p.shape, dys.shape), ((2, 2), (1,), (2, 1)))
                dx, dp = summed(xs, p, dys)
                return numpy.array(dx), numpy.array(dp)

            self.near(self.ask(self.device(vjp=arrays), VJP)[1], found)

    def test_a_device_without_parameters(self):
        def linear(xs, p):
            return [[2 * x[0]] for x in xs]

        for vjp in (None, lambda xs, p, dys: ([[2 * d[0], 0.0] for d in dys], None)):
            header, found = self.ask(self.device(linear, vjp, parameters=()), VJP, setting=[])
            self.assertEqual(header.channels, 2)
            self.near(found, [[2 * d[0], 0.0] for d in DYS])

    def test_what_is_no_answer_is_an_error_with_words_and_the_twin_is_asked_again(self):
        nan, large = float("nan"), 1e300
        for kind, twin, vjp, words in [
            (PREDICT, lambda xs, p: [[nan] for _ in xs], None, "returned no readings: reading `y 0` of shot 0 is NaN"),
            (PREDICT, lambda xs, p: [[large] for _ in xs], None, "reading `y 0` of shot 0 is infinite"),
            (PREDICT, lambda xs, p: None, None, "got None (is there a `return`?)"),
            (PREDICT, lambda xs, p: [[0.0, 1.0] for _ in xs], None, "row 0 has 2 readings"),
            (PREDICT, lambda xs, p: xs[9], None, "IndexError"),
            (VJP, model, lambda xs, p, dys: None, "returned a NoneType, expected the cotangents of the inputs and"),
            (VJP, model, lambda xs, p, dys: (xs, [[0.0]] * 2, 1), "returned 3 values"),
            (VJP, model, lambda xs, p, dys: (dys, [[0.0]] * 2), "no cotangents of the inputs: "),
            (VJP, model, lambda xs, p, dys: (xs, [nan]), "no cotangents of the parameters: cotangent `p 0` of shot 0 is NaN"),
            (VJP, lambda xs, p: [[nan] for _ in xs], None, "reading `y 0` of shot 0 is NaN"),
        ]:
            device = self.device(twin, vjp)
            header, payload = self.ask(device, kind)
            self.assertEqual((header.kind, payload[:2]), (ERROR, b"\5\0"))
            self.assertIn(words, payload[2:].decode())
            device.model.predict = model
            self.assertEqual(self.ask(device, PREDICT)[0].kind, PREDICTED)

    def test_drives_have_ranges_and_cotangents_are_finite(self):
        for values, words in [([2.0, 0.0, 1.0], b"drive `x 0` of shot 0 is 2.0 V, outside"),
                              ([0.0, 0.0, float("inf")], b"cotangent `y 0` of shot 0 is infinite")]:
            header, payload = self.ask(self.device(), VJP, values, shots=1)
            self.assertEqual((header.kind, payload[:2]), (ERROR, b"\4\0"))
            self.assertIn(words, payload)

    def test_frames_hold_a_shot_of_cotangents(self):
        device = self.device(parameters=bank("p", 10000, "V", 0, 1))
        self.assertGreaterEqual(largest_payload(device.largest_frame), 4 * 10002)
        with self.assertRaisesRegex(ValueError, "65536 at most"):
            self.device(parameters=bank("p", 20000, "V", 0, 1))
        with self.assertRaisesRegex(ValueError, "does not hold the cotangents"):
            self.device(parameters=bank("p", 100, "V", 0, 1), largest_frame=128)

    def test_what_is_no_twin_is_refused_when_it_is_decorated(self):
        device = self.device(None)
        with self.assertRaisesRegex(TypeError, "must take two arguments, the inputs and the parameters"):
            device.twin(lambda xs: xs)
        with self.assertRaisesRegex(TypeError, "the twin is a int"):
            device.twin(3)
        twin = device.twin(model)
        with self.assertRaisesRegex(TypeError, "must take three arguments"):
            twin.vjp(model)
        self.near([list(map(float, row)) for row in twin(XS, P)], model(XS, P))
        with self.assertRaisesRegex(Misfit, "expected"):
            device.twin(lambda xs, p: [])(XS, P)

    def test_a_twin_that_takes_its_time_sends_busy_frames(self):
        import time

        device = self.device(lambda xs, p: time.sleep(0.8) or model(xs, p))
        wire = protocol.Wire(device)
        self.addCleanup(wire.close)
        wire.open()
        wire.configure()
        wire.send(encode(Header(1, PREDICT, 1, 1, 0, 1, 2, 1), bytes(8)))
        header, _, busy = wire.next(PREDICTED)
        self.assertEqual(header.sequence, 1)
        self.assertGreaterEqual(len(busy), 2)

    @unittest.skipUnless(torch, "PyTorch is not installed")
    def test_a_module_of_torch_is_differentiated_by_autograd(self):
        class Module(torch.nn.Module):
            def __init__(self, reads_parameters=True):
                super().__init__()
                self.gain = torch.nn.Parameter(torch.tensor(3.0))
                self.reads_parameters = reads_parameters

            def forward(self, x, p):
                y = x[:, :1] * x[:, 1:]
                return y + self.gain * p * x[:, 1:] if self.reads_parameters else y

        device = self.device(Module())
        self.near(self.ask(device, PREDICT)[1], model(XS, P))
        self.near(self.ask(device, VJP)[1], WANTED)
        device = self.device(Module(reads_parameters=False))
        self.near([row[2:] for row in self.ask(device, VJP)[1]], [[0.0], [0.0]])


if __name__ == "__main__":
    unittest.main()
