"""Exceptions, results and arguments of measure(), and the description of a device."""

import array
import contextlib
import functools
import io
import json
import random
import re
import struct
import unittest
import warnings
from decimal import Decimal
from fractions import Fraction

import test_twinprop_rig as protocol
import twinprop_rig
from twinprop_rig import Device, Header, bank, decode, encode


class Complex(unittest.TestCase):
    def test_two_banks_say_that_they_are_parts_of_complex_drives(self):
        for polar, parts in [(False, ["in_phase", "quadrature"]), (True, ["amplitude", "phase"])]:
            drives = twinprop_rig.complex_bank("field", 3, "V", 2, polar)
            device = Device(lambda xs, p: xs[0][:1], [*drives, bank("gain", 1, "V", 0, 1)], (), bank("y", 1, "V", -4, 4))
            self.assertEqual(device.inputs.count, 7)
            told = json.loads(device.description)["interface"]["inputs"]
            self.assertEqual([b.get("part") for b in told], [*parts, None])
            self.assertEqual(told[1]["unit"], "rad" if polar else "V")


class Rasters(unittest.TestCase):
    """Banks of spikes; with NumPy and without it, whichever is here."""

    def setUp(self):
        self.device = Device(lambda shots, p: shots, twinprop_rig.raster("in", 3, 5), (), twinprop_rig.raster("out", 3, 5))
        self.cells = [int(cell % 4 == 1) for cell in range(15)]

    def plain(self, values):
        return values.tolist() if twinprop_rig.numpy else values

    def test_readings_come_as_numbers_or_booleans_in_one_row_or_step_by_step(self):
        numpy, side = twinprop_rig.numpy, self.device.outputs
        steps = [self.cells[i : i + 3] for i in range(0, 15, 3)]
        forms = [[self.cells], [tuple(self.cells)], [list(map(float, self.cells))], [list(map(bool, self.cells))], [steps],
                 [list(map(Fraction, self.cells))]]
        if numpy:
            forms += [numpy.array(form, kind) for form in ([self.cells], [steps]) for kind in (bool, "u1", "i8", "f4")]
        for form in forms:
            found = side.checked(form, 1)
            self.assertEqual(self.plain(found), [self.cells])
            self.assertIsInstance(self.plain(found)[0][0], int)
            self.assertEqual(side.bytes(found, twinprop_rig.SPIKES), bytes([0b00100010, 0b00100010]))

    def test_what_is_no_spike_is_refused_with_its_place(self):
        for value, words in [(0.5, "reading `out 1 in step 2` of shot 0 is 0.5; a cell of a raster is 0 or 1"),
                             (2, "is 2; a cell"), (-1, "is -1; a cell"), (float("nan"), "is NaN"),
                             ("1", "is the text '1'"), (None, "is None"), ([1], "")]:
            wrong = [[*self.cells[:7], value, *self.cells[8:]]]
            with self.assertRaises(twinprop_rig.Misfit) as caught:
                self.device.outputs.checked(wrong, 1)
            self.assertIn(words, str(caught.exception))
        for shape in [[], [self.cells[:-1]], [self.cells] * 2, [[self.cells]], [[[1] * 5] * 3]]:
            with self.assertRaises(twinprop_rig.Misfit):
                self.device.outputs.checked(shape, 1)
        with self.assertRaisesRegex(ValueError, "0 lines"):
            twinprop_rig.raster("in", 0, 5)
        with self.assertRaisesRegex(ValueError, "does not hold a shot"):
            Device(None, twinprop_rig.raster("in", 60000, 10), (), bank("y", 1, "V", -4, 4))
        with self.assertRaisesRegex(ValueError, "65535 channels at most"):
            Device(None, twinprop_rig.raster("in", 70000, 2), (), bank("y", 1, "V", -4, 4))

    def test_rasters_among_other_banks_keep_their_bits(self):
        banks = [bank("v", 2, "V", -1, 1), twinprop_rig.raster("s", 3, 3), bank("w", 1, "V", -1, 1)]
        device = Device(lambda shots, p: shots, banks, (), banks)
        self.assertEqual(device.outputs.shot(twinprop_rig.SPIKES), (2 + 3 + 1, 8 + 2 + 4))
        shots = [[0.5, -0.25, *self.cells[:9], 1.0], [-1.0, 0.0, *self.cells[6:], 0.125]]
        found = device.outputs.checked(shots, 2)
        self.assertIsInstance(self.plain(found)[0][2], float)
        data = device.outputs.bytes(found, twinprop_rig.SPIKES)
        self.assertEqual(data[:14], struct.pack("<2f2Bf", 0.5, -0.25, 0b00100010, 0, 1.0))
        self.assertEqual(self.plain(device.inputs.read(data, twinprop_rig.SPIKES)), shots)
        for value, words in [(0.5, "`s 1 in step 0` of shot 1 is 0.5; a cell"), (2.0, "is 2; a cell")]:
            shots[1][3] = value
            with self.assertRaisesRegex(twinprop_rig.Misfit, words):
                device.outputs.checked(shots, 2)
        with self.assertRaisesRegex(twinprop_rig.Misfit, "behind the last cell"):
            device.inputs.read(data[:9] + b"\2" + data[10:], twinprop_rig.SPIKES)

    def test_frames_of_floats_and_codes_hold_cells_as_well(self):
        for encoding, one in [(twinprop_rig.FLOATS, struct.pack("<f", 1)), (twinprop_rig.CODES, b"\xff\xff")]:
            data = b"".join(one if cell else bytes(len(one)) for cell in self.cells)
            self.assertEqual(self.plain(self.device.inputs.read(data, encoding)), [self.cells])
            self.assertEqual(self.device.outputs.bytes(self.device.outputs.checked([self.cells], 1), encoding), data)
        with self.assertRaisesRegex(twinprop_rig.Misfit, "a cell of a raster is 0 or 1"):
            self.device.inputs.read(struct.pack("<15f", *[0.5] * 15))


class Broken(Exception):
    def __str__(self):
        raise KeyboardInterrupt


class Faults(unittest.TestCase):
    def text_of(self, measure, **options):
        device = Device(measure, bank("x", 2, "V", -1, 1), bank("p", 1, "V", 0, 1), bank("y", 1, "V", -4, 4), **options)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            header, payload = protocol.Safety.drive(self, device, 0.0, 0.0)
            self.assertEqual((header.kind, payload[:2]), (0xFF, b"\5\0"))
            # The device continues and answers the next request.
            device.measure = lambda xs, p: [[1.0]]
            frames = [encode(Header(1, 4, 1, 2, 0, 0, 1, 2), struct.pack("<IIf", 0, 1, 0.5)),
                      encode(Header(1, 5, 1, 3, 0, 1, 2, 2), bytes(8))]
            again = [decode(f[1:-1]) for data in frames for f in device.receive(data)][-1]
        self.assertEqual(again[0].kind, 0x85)
        self.said = said.getvalue()
        return payload[2:].decode()  # Always UTF-8.

    def test_every_exception_reaches_the_host(self):
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
            self.assertRegex(text, r"test_rig_values.py:\d+ in measure: raise error")
            self.assertLessEqual(len(text.encode()), 1000)
            self.assertLessEqual(len(text.splitlines()), 6)
            self.assertIn("Traceback", self.said)

    def test_the_cause_and_the_parts_of_a_group_are_reported(self):
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

    def test_the_last_lines_of_the_script_and_the_line_of_the_fault_are_reported(self):
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

    def test_a_repeated_fault_prints_one_traceback(self):
        device = protocol.oracle()
        device.measure = lambda xs, p: 1 / 0
        with contextlib.redirect_stderr(io.StringIO()) as said:
            for session in range(1, 6):
                frames = [encode(Header(1, 3, session, 0, 0, 0, 0, 0), struct.pack("<I", device.boot)),
                          encode(Header(1, 4, session, 0, 0, 0, 1, 1), struct.pack("<IIf", 0, 1, 0.5)),
                          encode(Header(1, 5, session, 1, 0, 1, 2, 1), bytes(8))]
                self.assertEqual([decode(f[1:-1])[0].kind for d in frames for f in device.receive(d)], [0x83, 0x84, 0xFF])
        self.assertEqual(said.getvalue().count("Traceback"), 1)


class Odd:
    """A number type of another library."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return float(self.value)


class Readings(unittest.TestCase):
    """The results that measure() may return, checked by calling it; with lists, as without NumPy."""

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

    def test_wrong_shapes_are_reported(self):
        row = [1.0, 2.0, 3.0]
        want = "expected [2, 3]: 2 shots of 3 readings"
        self.refused(None, "got None (is there a `return`?)", want)
        self.refused(1.5, "got a float", want)
        self.refused("12", "got a str", want)
        self.refused({"y": row}, "got a dict", want)
        self.refused((r for r in [row, row]), "got a generator", want)
        self.refused([], "got [0]", want)
        self.refused([row], "got [1, 3]", want)
        self.refused([row] * 3, "got [3, 3]", want)
        self.refused([[1, 2]] * 3, "got [3, 2]", want, "it is the transpose: a row is a shot")
        self.refused(row, "got [3]", want)
        self.refused([1.0, 2.0], "got [2]", "each shot is a row", outputs=bank("y", 1, "V", 0, 5))
        self.refused(row, "got [3]", "one shot is a list with one row", shots=1)
        self.refused([row, row[:2]], "row 1 has 2 readings, expected 3 (y 0 to y 2)")
        self.refused([row, 4.0], "row 1 is 4.0, expected 3 readings")
        self.refused([row, row, row[:1]], "got 3 rows of unequal lengths", want)
        self.refused([row, None], "row 1 is None")

        async def coroutine():
            pass

        waits = coroutine()
        self.refused(waits, "got a coroutine (run it by asyncio.run())")
        waits.close()

    def test_wrong_values_are_reported_with_shot_and_channel(self):
        two = [bank("a", 1, "V", 0, 5), bank("y", 2, "mV", 0, 5)]
        for value, words in [
            (None, "is None"), ("1.5", "is the text '1.5'"), (b"1", "is the text b'1'"), (1 + 1j, "is complex, (1+1j)"),
            (float("nan"), "is NaN"), (float("inf"), "is inf mV, outside 0.0 to 5.0 mV"), (10**400, "is inf mV"), (1e39, "is 1e+39 mV"),
            (-1, "is -1.0 mV, outside 0.0 to 5.0 mV"), ([1.0], "is [1.0], a list"), (object, "is <class 'object'>, a type; a number is expected"),
        ]:
            self.refused([[0, 1, 2], [0, 1, value]], "reading `y 1` of shot 1 " + words, outputs=two)

    def test_all_number_types_are_accepted(self):
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

    def test_measure_gets_checked_copies_of_drives_and_parameters(self):
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
                                 (([[0, 0]], []), "row 0 has 0 parameters, expected 1"), (([0, 0], [1]), "got [2]"),
                                 (([[0, 0]],), "row 0 has 0 parameters")]:
            with self.assertRaisesRegex(ValueError, "rig: .*" + re.escape(words)):
                device(*arguments)
        self.assertEqual(device.__name__, "measure")
        # The function gets the same parameters twice, although it writes to them, and limits exactly as given.
        header, payload = protocol.Safety.drive(self, device, 0.5, 0.5)
        self.assertEqual((header.kind, len(kept)), (0x85, 2))
        frames = [encode(Header(1, 4, 1, 2, 0, 0, 1, 2), struct.pack("<IIf", 0, 1, 0.1)),
                  *(encode(Header(1, 5, 1, n, 0, 1, 2, 2), bytes(8)) for n in (3, 4))]
        kinds = [decode(f[1:-1])[0].kind for data in frames for f in device.receive(data)]
        self.assertEqual((kinds, kept[-1]), ([0x84, 0x85, 0x85], kept[-2]))
        self.assertAlmostEqual(kept[-1][0], 0.1, places=8)
        if not self.numpy:
            self.assertEqual(kept[-1], [0.1])

    def test_the_extreme_codes_are_the_ends_of_the_range(self):
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
            (good[0], "got [3]"), (good.T, "got [3, 2]"), (good[None], "got [1, 2, 3]"), (np.array(1.0), "got []"),
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

    def test_measure_gets_writable_arrays(self):
        kinds = []

        def measure(inputs, parameters):
            kinds.append((inputs.shape, str(inputs.dtype), parameters.shape, str(parameters.dtype)))
            inputs *= 2
            parameters += 1
            return inputs[:, :1]

        device = Device(measure, bank("x", 2, "V", -1, 1), bank("p", 1, "V", 0, 1), bank("y", 1, "V", -4, 4), name="rig")
        self.assertEqual(struct.unpack("<f", protocol.Safety.drive(self, device, 0.5, 0)[1]), (1.0,))
        self.assertEqual(device(self.numpy.array([[0.5, 0.0]]), self.numpy.array([1.0])).tolist(), [[1.0]])
        self.assertEqual(kinds, [((1, 2), "float32", (1,), "float32")] * 2)


class Interface(unittest.TestCase):
    def test_the_description_holds_the_options(self):
        description = json.loads(protocol.oracle(safe_seconds=30, largest_shot_rate=5, serial_number=7).description)
        self.assertEqual((description["safe_seconds"], description["largest_shot_rate"]), (30.0, 5.0))
        self.assertEqual(description["serial_number"], "7")
        # Hosts refuse unknown keys: options that are not given are left out.
        self.assertEqual(sorted(json.loads(protocol.oracle().description)), ["firmware", "interface", "name", "serial_number"])

    def test_a_device_is_named_after_script_and_function(self):
        def spectrum(xs, p):
            pass

        sides = bank("x", 1, "V", 0, 1), (), bank("y", 1, "V", 0, 1)
        for function, name in [(spectrum, "test_rig_values.spectrum"), (lambda xs, p: 0, "test_rig_values.lambda"),
                               (functools.partial(spectrum, p=0), "test_rig_values.spectrum"), (self.sum_up, "test_rig_values.sum_up")]:
            device = Device(function, *sides)
            about = json.loads(device.description)
            self.assertEqual((about["name"], about["interface"]["device"]), (name, name))
        self.assertEqual(json.loads(Device(spectrum, *sides, name="lamp").description)["name"], "lamp")

    def sum_up(self, xs, p):
        pass

    def test_invalid_banks_are_refused(self):
        for arguments in [("x", 0, "V", 0, 1), ("x", 1, "V", 1, 1), ("x", 1, "V", 2, 1), ("x", 1, "V", 0, float("nan")),
                          ("x", 1, "V", 0, 1e39), ("x", 1, "Hz", 2e14, 2e14 + 1)]:
            with self.assertRaisesRegex(ValueError, "bank 'x'"):
                bank(*arguments)
        with self.assertRaises(TypeError):
            bank("x", 1.5, "V", 0, 1)

    def test_a_wrong_decoration_is_refused_at_once(self):
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
        for option, value in [("safe_seconds", 0), ("safe_seconds", 3601), ("largest_shot_rate", -1), ("largest_shot_rate", 1e-20),
                              ("largest_shot_rate", 0.99 / 3600), ("largest_shot_rate", float("inf")), ("largest_shot_rate", float("nan")),
                              ("seconds_per_shot", float("nan")), ("watchdog", -1), ("watchdog", float("nan")), ("watchdog", 1e9)]:
            with self.assertRaisesRegex(ValueError, option):
                twinprop_rig.rig(inputs=x, outputs=x, **{option: value})(lambda xs, p: 0)

    def test_frames_are_large_enough_for_a_shot(self):
        x, many = bank("x", 1, "V", 0, 1), bank("pixel", 12000, "1", 0, 1)
        device = Device(lambda xs, p: [[0.5] * 12000] * len(xs), x, (), many, name="camera")
        self.assertGreaterEqual(twinprop_rig.largest_payload(device.largest_frame), 48000)
        with self.assertRaisesRegex(ValueError, "does not hold a shot"):
            Device(lambda xs, p: 0, x, (), bank("pixel", 20000, "1", 0, 1), name="camera")

    def test_frames_of_any_content_do_no_harm(self):
        draw, device = random.Random(3), protocol.oracle(largest_frame=256)
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
