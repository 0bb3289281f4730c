"""Makes a Python function a device that twinprop can train.

    from twinprop_rig import bank, rig

    @rig(
        inputs=bank("drive", 4, "V", 0.0, 1.0),
        parameters=bank("bias", 2, "V", 0.0, 1.0),
        outputs=bank("reading", 3, "V", -5.0, 5.0),
    )
    def measure(inputs, parameters):
        ...  # drive the hardware
        return readings

    @measure.safe
    def off():
        ...  # turn every drive off; return when all are off, raise an exception if one is not

    measure.serve()

`inputs` is [shots, channels], `parameters` [channels], the result [shots, channels]: NumPy arrays of
float32 where NumPy is installed, lists of floats otherwise. Values are in the units of the banks and
inside their ranges: twinprop sends no others, and this file refuses others. Readings are checked: shape,
type, NaN, range. `measure(inputs, parameters)` can still be called as a function, with the same checks.

Spikes go through rasters: `inputs=raster("in", 64, 80)` are 64 lines in 80 steps, with a cell of 1 for a spike and 0
without one. The cells of a shot stand step after step, [shots, 80 * 64]: with NumPy as uint8, so that
`inputs.reshape(-1, 80, 64)` is [shots, steps, lines], otherwise as lists of the integers 0 and 1. Readings of a raster may
also be booleans, and [shots, steps, lines]. Rasters among other banks are float32 as these are. The link carries a bit a cell.

    twinprop train recipe.toml --device 'process:python3 my_rig.py'
    python3 my_rig.py --tcp 127.0.0.1:7777      # then --device tcp://127.0.0.1:7777
    python3 my_rig.py --serial /dev/ttyGS0      # the device's end of a serial line

In a notebook, `measure.serve()` listens on a TCP port in the background and prints its address;
`measure.stop()` ends it. The *host* is the program that uses the device, which is twinprop.

A digital twin of the device that you have already can be served beside it, for `twin = { served = {} }` in a
recipe. Asking it drives nothing:

    @measure.twin
    def predict(inputs, parameters):
        return readings  # [shots, channels], as a model of the device says

    @predict.vjp
    def vjp(inputs, parameters, cotangents):
        return of_inputs, of_parameters  # of each shot, [shots, channels], from cotangents [shots, outputs]

`of_parameters` may also be the sum over the shots, [parameters]; the host sums in any case. Without @predict.vjp
the twin is differentiated by central differences: `predict` is called twice for every input and parameter, with
float64. `measure.twin(module)` takes a torch.nn.Module instead, `module(inputs, parameters)`, which gets tensors of
float32 with a row of parameters for every shot, and is differentiated by autograd.

Options of @rig, after inputs, outputs and parameters (each a bank or a list of banks):

    name              name of the device (default: script and function, "my_rig.measure")
    serial_number     distinguishes devices of the same kind (default "1")
    firmware          version of the script, for reports
    seconds_per_shot  approximate time of a shot in seconds (default 0.001); optional also for slow devices
    largest_shot_rate maximum shots a second that a host may request, at least 1/3600 (default: no limit)
    safe_seconds      longest time of the safe function (default 10): set it for longer ramps
    stateful          True if a shot's result depends on the shots before it: no shot is repeated then
    watchdog          seconds without a frame from the host until the device goes safe (default 2; 0: never,
                      and over TCP no second host gets the device before the first one's connection ends)
    codes             False: accept only 32-bit floats, no 16-bit codes
    largest_frame     maximum bytes of a frame (default 16384, or more if a shot needs it)
    window_frames     maximum frames in flight (default 8)

What happens when:

* measure() runs in the main thread, as drivers require; other threads serve the link and report "busy".
* An exception of measure() is sent to the host with the last lines of its traceback; the script continues.
* The safe function runs, also in the main thread, when the host asks for it, when measure() fails, when
  the host falls silent or leaves, on Ctrl-C, SIGTERM and SIGHUP, and at the end: once, until the next
  shot. A measurement that still runs a second later is interrupted. If the safe function fails, the host
  is told, and the script ends with exit code 1.
* Output of the script and its C libraries goes to standard error. Output of print() that nobody reads for
  a second (the host was killed, the terminal is stopped) is dropped, so that nothing waits for it.
* Over TCP a second host is told that the device is in use. If TWINPROP_TOKEN is set, hosts must prove that
  they know it. It must be set to listen on other addresses than this machine's loopback (127.0.0.1).

One file, the standard library only; copy it beside your script. The protocol is described in
devices/PROTOCOL.md.
"""

import _thread
import argparse
import atexit
import collections
import contextlib
import functools
import hashlib
import hmac
import inspect
import io
import ipaddress
import json
import linecache
import math
import operator
import os
import queue
import select
import signal
import socket
import stat
import struct
import sys
import threading
import time
import traceback
import zlib

try:
    import numpy
except ImportError:
    numpy = None

VERSION = 1
HELLO, DESCRIBE, OPEN, CONFIGURE, PLAY, PLAY_CODES, PING, SAFE = range(1, 9)
PREDICT, VJP, PREDICTED, COTANGENTS = 0x0A, 0x0B, 0x8B, 0x8C
PLAY_SPIKES, MEASURED_SPIKES = 0x0C, 0x8D
HELLO_REPLY, DESCRIPTION, OPENED, CONFIGURED = 0x81, 0x82, 0x83, 0x84
MEASURED, MEASURED_CODES, HEALTH, SAFE_REPLY = 0x85, 0x86, 0x87, 0x88
PROOF, CHALLENGE, PROVED = 0x09, 0x89, 0x8A
BUSY, NAK, ERROR = 0xFD, 0xFE, 0xFF
NO_SESSION, WRONG_EPOCH, WRONG_SHAPE, OUT_OF_RANGE, FAULT, UNKNOWN, SAFE_FAILED, NO_TOKEN, IN_USE = range(1, 10)

HEADER = struct.Struct("<BBHIHHHH")
Header = collections.namedtuple(
    "Header", "version kind session sequence first_shot shots channels epoch"
)

LARGEST_FRAME = 65536  # Maximum bytes of a frame that hosts accept.
LONGEST_TEXT = 1000  # Maximum bytes of an error's text.
BUSY_PERIOD = 0.2  # Seconds until the first busy frame of a request, and between two busy frames.
GRACE = 1.0  # Seconds until a measurement that nobody waits for is interrupted.
SAFE_AGAIN = 10.0  # Seconds after which a failed safe state is retried while the host is silent.
TAKE_OVER = 5.0  # Seconds of silence after which a waiting host replaces the current one.
GREETING = 5.0  # Seconds in which a new connection must send a valid frame.
LEAVING = 1.0  # Seconds within which it is noticed that a host has left.
GREETINGS = 64  # Maximum number of new connections that are checked at the same time.
VANISHED = 30  # Seconds after which a connection ends if its other end has vanished.
LAST_ANSWERS = 1.5  # Seconds that a script keeps answering its host after a signal to end.
UNREAD = 1.0  # Seconds after which unread output is dropped.
STEP = 1e-4  # Step of a twin's central differences, as a share of a channel's range.
PRINTED_AT_ONCE = 512  # Bytes that a writable pipe takes without blocking, on every system.


# Frames.


def cobs_encode(data):
    """Encodes `data` by consistent overhead byte stuffing, without zero bytes."""
    blocks = data.split(b"\0")
    out = bytearray()
    for place, block in enumerate(blocks):
        whole = len(block) // 254
        for start in range(0, whole * 254, 254):
            out.append(255)
            out += block[start : start + 254]
        rest = block[whole * 254 :]
        # A run of 254 at the end of the data needs no empty block after it.
        if rest or not whole or place < len(blocks) - 1:
            out.append(len(rest) + 1)
            out += rest
    return bytes(out)


def cobs_decode(data):
    """The original data, or None if the stuffing is damaged."""
    out = bytearray()
    place = 0
    while place < len(data):
        code = data[place]
        block = data[place + 1 : place + code]
        if code == 0 or len(block) != code - 1:
            return None
        out += block
        place += code
        if code < 255 and place < len(data):
            out.append(0)
    return bytes(out)


def encode(header, payload=b""):
    """The bytes of a frame on the wire."""
    body = HEADER.pack(*header) + payload
    return b"\0" + cobs_encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0"


def decode(piece):
    """Header and payload of the bytes between two zeros, or None if they are damaged."""
    body = cobs_decode(piece)
    if body is None or len(body) < HEADER.size + 4:
        return None
    body, (crc,) = body[:-4], struct.unpack("<I", body[-4:])
    header = Header(*HEADER.unpack_from(body))
    if crc != zlib.crc32(body) or header.version != VERSION:
        return None
    return header, body[HEADER.size :]


def largest_payload(frame):
    """Maximum bytes of payload in a frame of `frame` bytes."""
    inside = frame - 2
    return inside - -(-inside // 255) - HEADER.size - 4


# The interface.


def bank(name, count, unit, minimum, maximum, largest_step=None, matrix_gain=None, part=None):
    """`count` channels with the same unit and range; a list of banks joins several.

    `largest_step` is the largest change from one shot to the next that the device allows. `matrix_gain` is
    for parameters that are the weights of a linear device, listed output by output for each input: the
    readings are `matrix_gain` times the drives times the weights. `part` is the part of complex amplitudes that
    the channels have; see `complex_bank`."""
    found = dict(name=str(name), count=operator.index(count), unit=str(unit),
                 minimum=float(minimum), maximum=float(maximum))
    low, high = _single(minimum), _single(maximum)
    if found["count"] < 1:
        raise ValueError(f"bank {name!r} has {count} channels; at least one is needed")
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"bank {name!r} goes from {minimum} to {maximum}: the minimum must be below the "
                         "maximum, and both must be finite as 32-bit floats")
    for key, value in [("largest_step", largest_step), ("matrix_gain", matrix_gain)]:
        if value is not None:
            found[key] = float(value)
    if part is not None:
        found["part"] = str(part)
    return found


def raster(name, lines, steps):
    """A bank of spikes, `lines` lines in `steps` steps: `lines` * `steps` channels, step after step, with a cell of 1 for a
    spike and 0 without one."""
    lines, steps = operator.index(lines), operator.index(steps)
    if lines < 1 or steps < 1:
        raise ValueError(f"raster {name!r} has {lines} lines in {steps} steps; at least one of each is needed")
    return dict(bank(name, lines * steps, "1", 0, 1), steps=steps)


def complex_bank(name, count, unit, largest, polar=False):
    """Two banks with `count` complex amplitudes up to `largest`, as a list: their in-phase and quadrature parts, or with
    `polar` their amplitudes and phases (in rad)."""
    if polar:
        return [bank(f"amplitude of {name}", count, unit, 0, largest, part="amplitude"),
                bank(f"phase of {name}", count, "rad", -math.pi, math.pi, part="phase")]
    return [bank(f"{part} {name}", count, unit, -largest, largest, part=key)
            for part, key in [("in-phase", "in_phase"), ("quadrature", "quadrature")]]


def _single(value):
    """`value` rounded to a 32-bit float."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def _slack(low, high):
    """The distance between two 32-bit floats at the larger end of a range: smaller differences are rounding."""
    largest = max(abs(low), abs(high))
    (bits,) = struct.unpack("<I", struct.pack("<f", largest))
    return struct.unpack("<f", struct.pack("<I", bits + 1))[0] - largest


class Misfit(ValueError):
    """Values that do not fit a device's channels; the text says which, and why. `code` is that of an error frame."""

    def __init__(self, text, code=OUT_OF_RANGE):
        super().__init__(text)
        self.code = code


# Encodings of a frame's values: bytes of a value; of SPIKES, a bit a cell of rasters and 4 bytes of other values.
FLOATS, CODES, SPIKES = 4, 2, 0


def _cells(data, count):
    """The cells of a raster from their bits, the lowest of each byte first."""
    bits = int.from_bytes(data, "little")
    if bits >> count:
        raise Misfit("a bit stands behind the last cell of a raster", WRONG_SHAPE)
    return [int(bit) for bit in reversed(format(bits, f"0{count}b"))]


def _bits(cells):
    """Undoes `_cells`."""
    return int("".join("1" if cell else "0" for cell in reversed(cells)), 2).to_bytes(-(-len(cells) // 8), "little")


class _Side:
    """The channels of one side with their ranges. `noun` is the name of one value: drive, parameter or reading.

    Values without a range (`bounded=False`), which are a twin's, only have to be finite."""

    def __init__(self, banks, noun, bounded=True):
        self.banks = [banks] if isinstance(banks, dict) else list(banks or [])
        self.noun = noun
        self.exact = [(b["minimum"], b["maximum"]) for b in self.banks for _ in range(b["count"])]
        # The ranges as 32-bit floats, and how far beyond them a value is still rounding.
        self.ranges = [(_single(low), _single(high)) for low, high in self.exact]
        self.slack = [_slack(*pair) for b in self.banks
                      for pair in [(_single(b["minimum"]), _single(b["maximum"]))] * b["count"]]
        self.count = len(self.exact)
        self.bounded = bounded
        # Which channels are cells of rasters; steps and lines where there is nothing but one raster.
        self.cells = ["steps" in b and bounded for b in self.banks for _ in range(b["count"])]
        self.has_raster = any(self.cells)
        steps = self.banks[0].get("steps") if len(self.banks) == 1 and bounded else None
        self.raster = (steps, self.count // steps) if steps else None
        # Of each bank: whether it is a raster, its channels, its bytes in a frame of spikes.
        self.runs, place, at = [], 0, 0
        for b in self.banks:
            behind, end = place + b["count"], at + (-(-b["count"] // 8) if "steps" in b else 4 * b["count"])
            self.runs.append(("steps" in b, slice(place, behind), slice(at, end)))
            place, at = behind, end
        if not bounded:
            largest = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
            self.exact = self.ranges = [(-largest, largest)] * self.count
            self.slack = [0.0] * self.count
        if numpy:
            self.low, self.high = numpy.array(self.ranges or [(0, 0)], numpy.float32).T
            slack = numpy.array(self.slack or [0], numpy.float32)
            self.lowest, self.highest = self.low - slack, self.high + slack

    def __str__(self):
        return ", ".join(f"raster of {b['count'] // b['steps']} × {b['name']} in {b['steps']} steps" if "steps" in b else
                         "{count} × {name} from {minimum:g} to {maximum:g} {unit}".format(**b) for b in self.banks) or "none"

    def shot(self, encoding):
        """The channels in a header, and the bytes of a shot."""
        if encoding != SPIKES:
            return self.count, encoding * self.count
        return sum(b["count"] // b.get("steps", 1) for b in self.banks), self.runs[-1][2].stop

    def channel(self, place):
        """Name and unit of a channel."""
        for b in self.banks:
            if place < b["count"] and "steps" in b:
                step, line = divmod(place, b["count"] // b["steps"])
                return f"{b['name']} {line} in step {step}", b["unit"]
            if place < b["count"]:
                return f"{b['name']} {place}", b["unit"]
            place -= b["count"]

    def _unpack(self, payload):
        """[shots, channels] from a frame of spikes."""
        size = self.shot(SPIKES)[1]
        if not numpy:
            shots = [payload[i : i + size] for i in range(0, len(payload), size)]
            return [[value for is_raster, run, at in self.runs for value in
                     (_cells(shot[at], run.stop - run.start) if is_raster else
                      struct.unpack(f"<{run.stop - run.start}f", shot[at]))] for shot in shots]
        shots = numpy.frombuffer(payload, numpy.uint8).reshape(-1, size)
        values = numpy.empty((len(shots), self.count), numpy.uint8 if self.raster else numpy.float32)
        for is_raster, run, at in self.runs:
            if is_raster:
                cells, count = numpy.unpackbits(shots[:, at], axis=1, bitorder="little"), run.stop - run.start
                if cells[:, count:].any():
                    raise Misfit("a bit stands behind the last cell of a raster", WRONG_SHAPE)
                values[:, run] = cells[:, :count]
            else:
                values[:, run] = numpy.ascontiguousarray(shots[:, at]).view("<f4")
        return values

    def _pack(self, shots):
        """Undoes `_unpack`."""
        if not numpy:
            return b"".join(_bits(shot[run]) if is_raster else struct.pack(f"<{run.stop - run.start}f", *shot[run])
                            for shot in shots for is_raster, run, _ in self.runs)
        return numpy.hstack([numpy.packbits(shots[:, run] != 0, axis=1, bitorder="little") if is_raster else
                             numpy.ascontiguousarray(shots[:, run], "<f4").view(numpy.uint8)
                             for is_raster, run, _ in self.runs]).tobytes()

    def read(self, payload, encoding=FLOATS):
        """[shots, channels] from the bytes of a frame; raises `Misfit` for a value out of range."""
        if encoding == SPIKES:
            values = self._unpack(payload)
            return self.checked(values, len(values))
        coded = encoding == CODES
        if numpy:
            if not self.count:
                return numpy.zeros((1, 0), numpy.float32)
            values = numpy.frombuffer(payload, "<u2" if coded else "<f4").reshape(-1, self.count)
            if coded:
                scale = (self.high - self.low) / numpy.float32(65535)
                values = self.low + values.astype(numpy.float32) * scale
            return self.checked(values, len(values))
        if not self.count:
            return [[]]
        kind = "H" if coded else "f"
        flat = struct.unpack(f"<{len(payload) // struct.calcsize(kind)}{kind}", payload)
        rows = [flat[i : i + self.count] for i in range(0, len(flat), self.count)]
        if coded:
            rows = [[low + code * (high - low) / 65535 for code, (low, high) in zip(row, self.ranges)]
                    for row in rows]
        rows = self.checked(rows, len(rows))
        if self.ranges == self.exact:
            return rows
        # Python's floats have 64 bits: a limit of 0.1 must not arrive as 0.10000000149.
        return [[least if value == low else most if value == high else value
                 for value, (low, high), (least, most) in zip(row, self.ranges, self.exact)] for row in rows]

    def bytes(self, shots, encoding):
        """The bytes of checked [shots, channels]."""
        if encoding == SPIKES:
            return self._pack(shots)
        coded = encoding == CODES
        if numpy:
            if coded:
                low, high = self.low.astype(float), self.high.astype(float)
                shots = numpy.rint((shots - low) / (high - low) * 65535)
            return numpy.ascontiguousarray(shots, "<u2" if coded else "<f4").tobytes()
        flat = [value for row in shots for value in row]
        if coded:
            flat = [round((value - low) / (high - low) * 65535)
                    for row in shots for value, (low, high) in zip(row, self.ranges)]
        return struct.pack(f"<{len(flat)}{'H' if coded else 'f'}", *flat)

    def checked(self, values, shots):
        """`values` as float32 [shots, channels], or lists of floats; raises `Misfit` where they do not fit. Those of
        one raster are uint8, or integers.

        A value beyond a limit by no more than the rounding of 32 bits becomes the limit."""
        if self.raster:
            values = self._flat(values, shots)
        if numpy:
            found = self._quickly(values, shots)
            if found is not None:
                return found
        rows = self._rows(values, shots)
        if not numpy and self.raster:
            with contextlib.suppress(TypeError):  # A cell that is itself a list.
                if all({0, 1}.issuperset(row) for row in rows):
                    return [list(map(int, row)) for row in rows]
        if not numpy and all(type(value) is float and low <= value <= high
                             for row in rows for value, (low, high) in zip(row, self.ranges)) and not self.has_raster:
            return [list(row) for row in rows]
        found = [[self._number(value, shot, place) for place, value in enumerate(row)]
                 for shot, row in enumerate(rows)]
        if not numpy:
            return [list(map(int, row)) for row in found] if self.raster else found
        return numpy.array(found, numpy.uint8 if self.raster else numpy.float32).reshape(shots, self.count)

    def _flat(self, values, shots):
        """`values`, with [shots, steps, lines] of a raster made [shots, channels]."""
        if getattr(values, "shape", None) == (shots, *self.raster):
            return values.reshape(shots, self.count)
        if type(values) is list and all(type(row) is list and len(row) == self.raster[0] and all(map(_is_row, row))
                                        for row in values):
            return [[cell for step in row for cell in step] for row in values]
        return values

    def _quickly(self, values, shots):
        """The fast path of `checked`; None if a value may not fit."""
        parts = values if isinstance(values, (list, tuple)) else [values]
        if any(isinstance(part, numpy.ma.MaskedArray) and part.mask.any() for part in parts):
            return None
        if isinstance(values, (list, tuple)) or hasattr(values, "__array__"):
            try:
                values = numpy.asarray(values)
            except (ValueError, TypeError):
                return None
        if getattr(values, "shape", None) != (shots, self.count) or values.dtype.kind not in "biuf":
            return None
        with numpy.errstate(all="ignore"):
            found = values.astype(numpy.float32)
        if not ((found >= self.lowest) & (found <= self.highest)).all():
            return None
        if self.raster:
            return found.astype(numpy.uint8) if ((found == 0) | (found == 1)).all() else None
        if self.has_raster and (found[:, self.cells] * (found[:, self.cells] - 1)).any():
            return None
        return numpy.clip(found, self.low, self.high, out=found)

    def _rows(self, values, shots):
        """`values` as `shots` rows of one value per channel; raises `Misfit` for another shape."""
        wanted = f"expected [{shots}, {self.count}]: {shots} shots of {self.count} {self.noun}s"
        if numpy and hasattr(values, "__array__") and not isinstance(values, numpy.ndarray):
            values = numpy.asarray(values)  # A tensor, a table.
        kind = type(values).__name__
        if values is None:
            raise Misfit(f"got None (is there a `return`?), {wanted}")
        if inspect.isawaitable(values):
            raise Misfit(f"got a {kind} (run it by asyncio.run()), {wanted}")
        shape = getattr(values, "shape", None)
        if isinstance(shape, tuple):
            if shape != (shots, self.count):
                raise Misfit(f"got {list(shape)}, {wanted}" + _advice(shape, (shots, self.count)))
            return values
        if not _is_row(values):
            raise Misfit(f"got a {kind}, {wanted}")
        lengths = [len(row) if _is_row(row) else None for row in values]
        if len(values) == shots and any(n is not None for n in lengths):
            for shot, (row, length) in enumerate(zip(values, lengths)):
                if length is None:
                    raise Misfit(f"row {shot} is {row!r:.40}, expected {self.count} {self.noun}s")
                if length != self.count:
                    raise Misfit(f"row {shot} has {length} {self.noun}s, expected {self.count} "
                                 f"({self.channel(0)[0]} to {self.channel(self.count - 1)[0]})")
            return values
        inner = set(lengths)
        shape = (len(values),) + (tuple(inner) if len(inner) == 1 and inner != {None} else ())
        what = list(shape) if len(inner) < 2 else f"{len(values)} rows of unequal lengths"
        raise Misfit(f"got {what}, {wanted}" + _advice(shape, (shots, self.count)))

    def _number(self, value, shot, place):
        """One value as a 32-bit float inside its range; raises `Misfit` for another."""
        name, unit = self.channel(place)
        here = f"{self.noun} `{name}`" + ("" if self.noun == "parameter" else f" of shot {shot}")
        kind = getattr(getattr(value, "dtype", None), "kind", "f")
        if value is None:
            raise Misfit(f"{here} is None")
        if numpy and value is numpy.ma.masked:
            raise Misfit(f"{here} is masked; fill it, or raise an error if it could not be measured")
        if isinstance(value, (str, bytes, bytearray)) or kind in "US":
            raise Misfit(f"{here} is the text {value!r:.40}; a number is expected")
        if isinstance(value, complex) or kind == "c":
            raise Misfit(f"{here} is complex, {value}; return its real part, its modulus or its phase")
        try:
            number = float(value) if kind in "biufO" else None
        except OverflowError:
            number = math.inf
        except Exception:
            number = None
        if number is None:
            raise Misfit(f"{here} is {value!r:.40}, a {type(value).__name__}; a number is expected")
        if math.isnan(number):
            raise Misfit(f"{here} is NaN")
        (low, high), (exact_low, exact_high) = self.ranges[place], self.exact[place]
        slack, rounded = self.slack[place], _single(number)
        if math.isinf(rounded) and not self.bounded:
            raise Misfit(f"{here} is infinite")
        if self.cells[place] and rounded not in (0, 1):
            raise Misfit(f"{here} is {number:g}; a cell of a raster is 0 or 1")
        if not low - slack <= rounded <= high + slack:
            raise Misfit(f"{here} is {number} {unit}, outside {exact_low} to {exact_high} {unit}")
        return min(max(rounded, low), high)


def _is_row(values):
    """Whether `values` is a list of some kind."""
    return hasattr(values, "__len__") and hasattr(values, "__getitem__") and not isinstance(values, (str, bytes, dict))


def _advice(shape, wanted):
    """Advice on a shape of a frequent mistake."""
    if tuple(shape) == wanted[::-1]:
        return "; it is the transpose: a row is a shot"
    if len(shape) == 1 and shape[0] == wanted[0] and wanted[1] == 1:
        return "; each shot is a row, also of one value"
    if len(shape) == 1 and shape[0] == wanted[1] and wanted[0] == 1:
        return "; one shot is a list with one row"
    return ""


# Errors in words.


def _title(error):
    """Type and text of an exception, also where its own code fails."""
    try:
        text = str(error)
    except BaseException as another:
        text = f"(no text: {type(another).__name__} in __str__)"
    return f"{type(error).__name__}: {text[:400]}" if text else type(error).__name__


def _tell(error, function):
    """An exception in a few lines: type and text, then the last lines of the traceback in the file of `function`."""
    try:
        lines = [_title(error)]
        for part in list(getattr(error, "exceptions", ()))[:3]:
            lines.append(f"  with {_title(part)}")
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None:
            lines.append(f"  after {_title(cause)}")
        places = [(frame.f_code.co_filename, line, frame.f_code.co_name)
                  for frame, line in traceback.walk_tb(error.__traceback__)
                  if frame.f_code.co_filename != __file__]
        home = getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)
        shown = [place for place in places if place[0] == home][-3:]
        shown += [place for place in places[-1:] if place not in shown]
        for file, line, name in shown:
            lines.append(f"  {os.path.basename(file)}:{line} in {name}: {linecache.getline(file, line).strip()[:120]}")
        return _plain("\n".join(lines))
    except BaseException:  # An exception's own code may fail in any way.
        return f"{type(error).__name__}, which cannot be shown"


def _plain(text):
    """`text` with all but printable characters and line ends escaped."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _say(text):
    """Prints a line on standard error, if that is open."""
    with contextlib.suppress(Exception):
        print(text, file=sys.stderr, flush=True)


class _Interrupted(BaseException):
    """Interrupts a measurement; raised in the main thread by the signal handler."""


# The device's end of a link.


class Device:
    """Serves a measuring function by the protocol.

    `receive` is the protocol without a port: bytes in, frames out. `serve` starts the threads: a link's
    reader answers requests that change nothing and queues the others for the main thread; its writer sends;
    the clock sends busy frames and checks the watchdog. `turn` guards what they share."""

    def __init__(self, measure, inputs, parameters, outputs, *, name=None, serial_number="1",
                 firmware="twinprop_rig.py 2", seconds_per_shot=1e-3, largest_shot_rate=None,
                 safe_seconds=None, stateful=False, largest_frame=None, window_frames=8, watchdog=2.0,
                 codes=True, boot=None):
        self.measure, self.on_safe = measure, lambda: None
        self.inputs, self.parameters, self.outputs = (
            _Side(banks, noun) for banks, noun in
            [(inputs, "drive"), (parameters, "parameter"), (outputs, "reading")])
        if not (self.inputs.count and self.outputs.count):
            raise ValueError("a device has inputs and outputs: give a bank for each")
        functools.update_wrapper(self, measure, updated=())
        self.model = None  # The digital twin, if there is one.
        self.is_frame_chosen = largest_frame is not None
        self.name = name or _name(measure)
        self.stateful, self.watchdog, self.codes = bool(stateful), float(watchdog), bool(codes)
        # Whether it takes the cells of rasters in bits.
        self.spikes = self.inputs.has_raster or self.outputs.has_raster
        channels, size = map(max, *(side.shot(SPIKES if self.spikes else FLOATS) for side in (self.inputs, self.outputs)))
        needed = HEADER.size + 4 + size
        needed += needed // 254 + 3
        self.largest_frame = int(largest_frame or min(max(16384, needed), LARGEST_FRAME))
        if channels > 65535:
            raise ValueError(f"a frame has 65535 channels at most, and a shot of this device {channels}")
        if largest_payload(self.largest_frame) < size:
            raise ValueError(f"a frame of {self.largest_frame} bytes does not hold a shot, which needs {needed}; "
                             f"largest_frame may be {LARGEST_FRAME} at most")
        self.window_frames = int(window_frames)
        # The limits of a host's patience and of the protocol's numbers.
        for key, value, least, most in [("seconds_per_shot", seconds_per_shot, 0, 3600), ("watchdog", watchdog, 0, 86400)]:
            if not least <= float(value) <= most:
                raise ValueError(f"{key} is {value}; it must be from {least} to {most}")
        if largest_shot_rate is not None and not 1 / 3600 <= float(largest_shot_rate) < math.inf:
            raise ValueError(f"largest_shot_rate is {largest_shot_rate}; it must be at least 1/3600 (a shot an hour) and finite")
        if safe_seconds is not None and not 0 < float(safe_seconds) <= 3600:
            raise ValueError(f"safe_seconds is {safe_seconds}; it must be above 0 and at most 3600")
        interface = dict(device=self.name, inputs=self.inputs.banks, parameters=self.parameters.banks,
                         outputs=self.outputs.banks, seconds_per_shot=float(seconds_per_shot))
        description = dict(name=self.name, serial_number=str(serial_number), firmware=str(firmware))
        for key, value in [("largest_shot_rate", largest_shot_rate), ("safe_seconds", safe_seconds)]:
            if value is not None:
                description[key] = float(value)
        self.description = json.dumps(dict(description, interface=interface)).encode()
        self.boot = boot or int.from_bytes(os.urandom(4), "little") or 1
        self.start = self.heard = time.monotonic()
        self.session = self.expected = self.epoch = self.played = self.trips = self.refused = 0
        self.refused_told = -math.inf
        self.setting, self.incoming, self.rest = None, (0, b""), b""
        self.answers = collections.OrderedDict()

        # Waiting frames with their times of arrival; the frame being processed; requests of the safe state.
        self.turn = threading.Condition()
        self.jobs, self.current, self.asked = collections.deque(), None, []
        # Without a safe function the device is always safe; with one, only after it has run.
        self.is_safe, self.failure, self.driven, self.measuring = True, None, False, False
        self.hands = threading.RLock()  # Held while measure() or the safe function runs.
        self.link = self.ending = self.background = None
        self.tripped = self.lost = self.tried = self.interrupting = False
        self.has_signals = self.has_end = self.used = False
        self.again = 0.0  # Time from which a failed safe state is retried without a request.
        self.printed_faults, self.process = set(), os.getpid()

    def __call__(self, inputs, parameters=()):
        """Calls measure(), and checks its arguments and its result."""
        shots = len(inputs) if hasattr(inputs, "__len__") else 1
        try:
            inputs = self.inputs.checked(inputs, shots)
            parameters = self.parameters.checked([parameters], 1)[0]
        except Misfit as error:
            raise Misfit(f"{self.name}: {error}") from None
        with self.hands:
            self._make_safe_at_exit()
            self.is_safe = self.tried = False
            readings = self.measure(inputs, parameters)
        try:
            return self.outputs.checked(readings, shots)
        except Misfit as error:
            raise Misfit(f"{self.name} returned no readings: {error}") from None

    def safe(self, function):
        """Decorates the function that turns every drive off: it returns when all are off, and raises an
        exception if one is not. It is called on the host's request, when the link ends, when the host falls
        silent, when a measurement fails, and at the end."""
        self.on_safe, self.is_safe = function, False
        return function

    def twin(self, model):
        """Decorates `predict(inputs, parameters) -> readings`, the digital twin that is served beside the device, or
        takes a torch.nn.Module. `vjp` of the result decorates its vector-Jacobian product."""
        model = _Twin(self, model)
        widest = self.inputs.count + max(self.outputs.count, self.parameters.count)
        needed = HEADER.size + 4 + 4 * widest
        needed += needed // 254 + 3
        if not self.is_frame_chosen:
            self.largest_frame = max(self.largest_frame, min(needed, LARGEST_FRAME))
        if largest_payload(self.largest_frame) < 4 * widest:
            raise ValueError(f"a frame of {self.largest_frame} bytes does not hold the cotangents of a shot, which "
                             f"need {needed}; largest_frame may be {LARGEST_FRAME} at most")
        self.model = model
        return model

    def receive(self, data):
        """Does what `data` asks for, and yields the frames of the answers."""
        for frame in self._frames(data):
            yield from self._take(*frame)
            while self.jobs or self.asked:
                yield from self._work()

    def watch(self):
        """Goes to the safe state if the host has been silent for too long."""
        if self._is_alone():
            self.trips += 1
            self.make_safe()

    def make_safe(self):
        """Runs the safe function, unless it has run since the last shot, and forgets the parameters. Returns
        the text of its failure, or None."""
        with self.turn:
            self.epoch, self.incoming, self.tried = 0, (0, b""), True
            if self.is_safe or os.getpid() != self.process:
                return None
        try:
            with self.hands:
                result = self.on_safe()
            if inspect.isawaitable(result) or inspect.isgenerator(result):
                raise TypeError(f"it returned a {type(result).__name__}, which was not run")
            failure = None
        except BaseException as error:  # Also sys.exit(): only a return means that all is off.
            failure = _tell(error, self.on_safe)
            self._stay_out_of_children()
            _say(f"{self.name}: THE SAFE STATE FAILED, the device may be driven: {failure}")
        with self.turn:
            self.failure, self.is_safe = failure, failure is None
            self.driven = self.driven and not self.is_safe
            self.again = time.monotonic() + SAFE_AGAIN
        return failure

    # Requests of the host.

    def _frames(self, data):
        pieces = (self.rest + data).split(b"\0")
        # Bytes beyond the longest frame are garbage, up to the next zero.
        self.rest = pieces[-1][: self.largest_frame + 1]
        for piece in pieces[:-1]:
            frame = decode(piece) if 0 < len(piece) <= self.largest_frame else None
            if frame:
                self.heard = time.monotonic()
                yield frame

    def _is_alone(self):
        """Whether the device is driven, and its host silent for longer than the watchdog allows."""
        now = time.monotonic()
        return bool(self.watchdog and self.driven and now >= self.again and now - self.heard > self.watchdog)

    def _take(self, header, payload):
        """Yields the answers to requests that need no work; queues the others for `_work`."""
        kind = header.kind
        if self.ending and kind not in (PING, SAFE):
            return  # The link ends soon.
        if kind == HELLO:
            window = self.largest_frame * min(self.window_frames, 3)
            watchdog = int(self.watchdog * 1000)
            yield encode(header._replace(kind=HELLO_REPLY), struct.pack(
                "<BBBBIIIHHIII", VERSION, VERSION,
                1 | self.codes << 1 | (self.model is not None) << 2 | self.spikes << 3, self.stateful, self.boot,
                self.largest_frame, window, self.window_frames, self.session, watchdog, len(self.description), zlib.crc32(self.description)))
        elif kind == DESCRIBE and len(payload) == 4:
            (offset,) = struct.unpack("<I", payload)
            piece = self.description[offset : offset + largest_payload(self.largest_frame) - 4]
            yield encode(header._replace(kind=DESCRIPTION), payload + piece)
        elif kind == OPEN and payload == struct.pack("<I", self.boot) and header.session:
            newer = (header.session - self.session) & 0xFFFF
            if newer > 0x7FFF and self.session:
                return  # A late frame of an earlier session.
            if newer:
                self.jobs.clear()
                self.session, self.expected, self.epoch = header.session, 0, 0
                self.answers.clear()
            yield encode(header._replace(kind=OPENED, epoch=self.epoch),
                         struct.pack("<II", self.boot, self.expected))
        elif kind == PING:
            uptime = int((time.monotonic() - self.start) * 1000) & 0xFFFFFFFF
            yield encode(header._replace(kind=HEALTH, epoch=self.epoch), struct.pack(
                "<IIIIQ", self.boot, self.is_safe, uptime, self.trips, self.played))
        elif kind == SAFE:
            self.epoch, self.incoming = 0, (0, b"")
            while self.jobs:  # Earlier requests, which would drive the device again.
                late, _, _ = self.jobs.popleft()
                yield self._remember(late, self._error(late, WRONG_EPOCH, "the safe state was asked for"))
            if self.is_safe:
                yield encode(header._replace(kind=SAFE_REPLY))
            elif all(header != other for other, _ in self.asked):
                self.asked.append((header, time.monotonic()))
        elif kind in (CONFIGURE, PLAY, PLAY_CODES, PLAY_SPIKES, PREDICT, VJP):
            yield from self._take_in_order(header, payload)

    def _take_in_order(self, header, payload):
        if header.session != self.session or not self.session:
            yield self._error(header, NO_SESSION, "the session is not open")
            return
        ahead = (header.sequence - self.expected) & 0xFFFFFFFF
        if ahead == 0 and len(self.jobs) < 2 * self.window_frames:
            self.expected = (self.expected + 1) & 0xFFFFFFFF
            self.jobs.append((header, payload, time.monotonic()))
        elif ahead < 0x7FFFFFFF:
            yield encode(Header(VERSION, NAK, self.session, self.expected, 0, 0, 0, 0))
        elif header.sequence in self.answers:
            yield self.answers[header.sequence]
        elif any(header == job[0] for job in self.jobs) or self.current and header == self.current[0]:
            yield encode(header._replace(kind=BUSY))

    def _remember(self, header, frame):
        """Returns `frame`, and keeps it for repeated requests with `header`."""
        if header.session == self.session:
            self.answers[header.sequence] = frame
            if len(self.answers) > self.window_frames:
                self.answers.popitem(last=False)
        return frame

    def _drop_jobs(self):
        """Drops the queued frames, which a host that comes back must send again."""
        if self.jobs:
            self.expected = self.jobs[0][0].sequence
            self.jobs.clear()

    # Work, in the main thread.

    def _work(self):
        """Does the first waiting request, a safe state before all others, and returns the frames of the answer."""
        with self.turn:
            asked = bool(self.asked)
            if not (asked or self.jobs):
                return []
            if not asked:
                header, payload, _ = self.jobs.popleft()
                self.current = (header, time.monotonic())
        if asked:
            return self._safe_answers(self.make_safe())
        work = {CONFIGURE: self._configure, PREDICT: self._ask_twin, VJP: self._ask_twin}.get(header.kind, self._play)
        frame = work(header, payload)
        with self.turn:
            self.current = None
            return [self._remember(header, frame)]

    def _safe_answers(self, failure):
        """The answers to all requests of the safe state so far."""
        with self.turn:
            asked, self.asked = self.asked, []
        return [self._error(header, SAFE_FAILED, failure) if failure
                else encode(header._replace(kind=SAFE_REPLY)) for header, _ in asked]

    def _configure(self, header, payload):
        count = self.parameters.count
        if len(payload) != 8 + 4 * header.channels:
            return self._error(header, WRONG_SHAPE, "a configure frame is cut short")
        offset, total = struct.unpack_from("<II", payload)
        if total != count or offset + header.channels > count or not header.epoch:
            return self._error(header, WRONG_SHAPE, f"there are {count} parameters")
        with self.turn:
            if header.session != self.session:
                return self._error(header, NO_SESSION, "the session is over")
            epoch, received = self.incoming if offset else (header.epoch, b"")
            if epoch == header.epoch and len(received) == 4 * offset:
                received += payload[8:]
            if epoch == header.epoch and len(received) == 4 * count:
                try:
                    self.setting = self.parameters.read(received)[0]
                except Misfit as misfit:
                    return self._error(header, OUT_OF_RANGE, str(misfit))
                self.epoch = epoch
            self.incoming = (epoch, received)
        return encode(header._replace(kind=CONFIGURED))

    def _refusal(self, header, payload, channels, size, answered):
        """The answer to shots of other parameters, or of another size than `channels` values and `size` bytes a shot,
        `answered` bytes in the answer; None if they fit."""
        largest = largest_payload(self.largest_frame)
        if header.session != self.session or header.epoch != self.epoch or not self.epoch:
            return self._error(header, WRONG_EPOCH, f"parameters {header.epoch} are asked for")
        if (header.channels != channels or not header.shots
                or len(payload) != header.shots * size or header.shots * answered > largest):
            return self._error(header, WRONG_SHAPE, f"a shot has {channels} channels")
        return None

    def _play(self, header, payload):
        encoding, kind = {PLAY_CODES: (CODES, MEASURED_CODES), PLAY_SPIKES: (SPIKES, MEASURED_SPIKES)}.get(
            header.kind, (FLOATS, MEASURED))
        if encoding == SPIKES and not self.spikes:
            return self._error(header, UNKNOWN, "this device takes no spikes")
        channels, answered = self.outputs.shot(encoding)
        with self.turn:
            refusal = self._refusal(header, payload, *self.inputs.shot(encoding), answered)
            if refusal:
                return refusal
            try:
                shots = self.inputs.read(payload, encoding)
            except Misfit as misfit:
                return self._error(header, misfit.code, str(misfit))
            setting = self.setting.copy()
            self.is_safe, self.failure, self.tried, self.driven = False, None, False, True
        try:
            with self.hands:
                self.measuring = True
                readings = self.measure(shots, setting)
                self.measuring = False
            self._stay_out_of_children()
            readings = self.outputs.checked(readings, header.shots)
        except BaseException as error:  # The host gets every exception of a laboratory's code.
            self.measuring = False
            self._stay_out_of_children(error)
            return self._fault(header, error)
        with self.turn:
            self.played += header.shots
        return encode(header._replace(kind=kind, channels=channels), self.outputs.bytes(readings, encoding))

    def _ask_twin(self, header, payload):
        """Answers by the twin, which drives nothing: the device stays in its safe state, or as it is."""
        if self.model is None:
            return self._error(header, UNKNOWN, "this device has no twin")
        sides, answered = [self.inputs], [self.outputs]
        if header.kind == VJP:
            sides, answered = [self.inputs, self.model.cotangents], [self.inputs, self.parameters]
        channels, answered = sum(side.count for side in sides), sum(side.count for side in answered)
        with self.turn:
            refusal = self._refusal(header, payload, channels, FLOATS * channels, FLOATS * answered)
            if refusal:
                return refusal
            split = 4 * self.inputs.count
            shots = [payload[at : at + 4 * channels] for at in range(0, len(payload), 4 * channels)]
            try:
                values = [side.read(b"".join(part)) for side, part in
                          zip(sides, [[shot[:split] for shot in shots], [shot[split:] for shot in shots]])]
            except Misfit as misfit:
                return self._error(header, OUT_OF_RANGE, str(misfit))
            setting = self.setting.copy()
        ask, function = self.model, self.model.predict
        if header.kind == VJP:
            ask, function = self.model.pull, self.model.own_vjp or function
        try:
            with self.hands:
                self.measuring = True
                found = ask(values[0], setting, *values[1:])
                self.measuring = False
            self._stay_out_of_children()
        except BaseException as error:  # As of a measurement.
            self.measuring = False
            self._stay_out_of_children(error)
            with self.turn:
                # The frames behind this one are refused, so that the host repeats them in order.
                self.epoch, self.incoming = 0, (0, b"")
            return self._error(header, FAULT, self._account(error, function, "the twin"))
        if header.kind == PREDICT:
            payload = self.model.readings.bytes(found, FLOATS)
        elif numpy:
            payload = numpy.ascontiguousarray(numpy.hstack(found), "<f4").tobytes()
        else:
            flat = [value for shot in zip(*found) for side in shot for value in side]
            payload = struct.pack(f"<{len(flat)}f", *flat)
        kind = PREDICTED if header.kind == PREDICT else COTANGENTS
        return encode(header._replace(kind=kind, channels=answered), payload)

    def _account(self, error, function, what):
        """The host's text about an exception of `function`; its traceback is printed."""
        if isinstance(error, _Interrupted):
            return f"{what} was interrupted: " + (self.ending or "the safe state was asked for")
        if isinstance(error, Misfit):
            return str(error)
        text = _tell(error, function)
        # In full only once: a repeated fault would fill the terminal.
        kind = (type(error), text.rpartition("\n")[2])
        if kind not in self.printed_faults:
            self.printed_faults.add(kind)
            with contextlib.suppress(BaseException):
                _say("".join(traceback.format_exception(type(error), error, error.__traceback__)))
        return text

    def _fault(self, header, error):
        """Makes the device safe, and returns the answer to shots that could not be measured."""
        text = self._account(error, self.measure, "the measurement")
        if isinstance(error, Misfit):
            text = f"{getattr(self.measure, '__name__', 'measure')}() returned no readings: {text}"
        failure = self.make_safe()
        if failure:
            return self._error(header, SAFE_FAILED, f"{failure}\nafter the measurement failed: {text}")
        return self._error(header, FAULT, text)

    def _error(self, header, code, text):
        longest = min(largest_payload(self.largest_frame) - 2, LONGEST_TEXT)
        text = _plain(text).encode("utf-8", "backslashreplace")[:longest].decode("utf-8", "ignore")
        return encode(header._replace(kind=ERROR), struct.pack("<H", code) + text.encode())

    def _stay_out_of_children(self, error=None):
        """Ends a process that measure() forked, before it acts as the device."""
        if os.getpid() != self.process:
            if error is not None and not isinstance(error, SystemExit):
                _say("".join(traceback.format_exception(type(error), error, error.__traceback__)))
            os._exit(1 if error is not None else 0)

    # Serving.

    def serve(self, arguments=None):
        """Serves on standard input and output, or on the link of the command line (or of the list `arguments`),
        until the host leaves or a signal ends it; in a notebook, on a TCP port in the background."""
        if self.__module__ == "__mp_main__":
            return  # A worker of multiprocessing imports its parent's script, but is not the device.
        self.used, interactive = True, _is_interactive()
        chosen = self._parser().parse_args([] if arguments is None and interactive else arguments)
        self.process = os.getpid()
        if interactive:
            return self._serve_in_background(chosen.tcp or "127.0.0.1:0")
        if os.name == "posix" and (chosen.tcp or chosen.serial):
            _print_to(1, "stdout")
            _print_to(2, "stderr")
        with self._signals():
            if chosen.tcp:
                self._serve_tcp(_listen(chosen.tcp))
            elif chosen.serial:
                port = _open_serial(chosen.serial, chosen.baud)
                self.serve_files(lambda: os.read(port, 65536), lambda data: _write(port, data))
            else:
                self._serve_standard_streams()
        if self.failure:
            _say(f"{self.name} ends, and is not in its safe state")
            raise SystemExit(1)
        if self.ending:
            _say(f"{self.name} ends by {self.ending}, in its safe state")
            raise SystemExit(0)

    def stop(self):
        """Ends serving in the background, in the safe state."""
        if self.background is not None:
            self.ending = self.ending or "stop()"
            if self.background is not threading.current_thread():
                self.background.join()
                self.background = self.ending = None

    def serve_files(self, read, write):
        """Serves until `read` returns no bytes. `read` and `write` may block; each runs in its own thread."""
        link = _Link(self, read, write)
        link.begin()
        self._serve_until(lambda: link.ended)

    def _serve_until(self, is_over):
        """Does the requests of links in this thread; ends in the safe state."""
        self._make_safe_at_exit()
        self.lost = self.tripped = False
        clock = _Clock(self)
        clock.start()
        try:
            while True:
                with self.turn:
                    if not (self.jobs or self.asked or self.tripped or self.lost or self.ending or is_over()):
                        self.turn.wait(0.05)
                if self.ending or is_over():
                    return
                self._attend()
        finally:
            try:
                self._answer_safe(self.make_safe())
                # The host may still ask for the safe state, and must get the answer.
                end = time.monotonic() + LAST_ANSWERS
                while self.ending and self._has_host() and time.monotonic() < end:
                    if self.asked:
                        self._answer_safe(self.make_safe())
                    time.sleep(0.01)
            finally:
                clock.over = True
                if self.link:
                    self.link.close()

    def _attend(self):
        """Makes the device safe if its host has left, otherwise does the host's requests."""
        with self.turn:
            left = self.tripped or self.lost
            self.trips += self.tripped and self.failure is None
            self.tripped = self.lost = False
        if left:
            self._answer_safe(self.make_safe())
        else:
            for frame in self._work():
                self._send(frame)

    def _answer_safe(self, failure):
        for frame in self._safe_answers(failure):
            self._send(frame)

    def _send(self, frame):
        if self.link:
            self.link.outgoing.put(frame)

    def _has_host(self):
        return self.link is not None and self.link.spoke and not self.link.ended

    def _serve_standard_streams(self):
        """Uses standard input and output for the link; printed output goes to standard error."""
        for file in (0, 1, 2):
            try:
                os.fstat(file)
            except OSError:  # Closed: the next opened file would get its number.
                os.open(os.devnull, os.O_RDWR)
        if os.isatty(0):
            _say(f"{self.name} waits for twinprop on standard input, which is a terminal. Either give\n"
                 f"  twinprop device info 'process:python3 {sys.argv[0]}'\n"
                 f"which starts this script itself, or\n  python3 {sys.argv[0]} --tcp 127.0.0.1:7777\n"
                 "which serves at tcp://127.0.0.1:7777. To import a script, call serve() under\n"
                 "`if __name__ == \"__main__\":`. Ctrl-C ends this.")
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        taken, output = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        if os.name == "posix":
            os.set_blocking(taken, True)
            os.set_blocking(output, True)
        _print_to(2, "stdout", "stderr")
        sys.stdout = sys.__stdout__
        sys.stderr = sys.stderr or sys.__stderr__
        _close_in_children(taken, output)
        self.serve_files(lambda: os.read(taken, 65536), lambda data: _write(output, data))

    def _serve_tcp(self, server):
        with server:
            token = _token()  # In this thread, where an error ends the script.
            if self.background is None:
                _say(f"{self.name} serves at {_address(server)}")
            server.settimeout(0.2)
            threading.Thread(target=self._accept, args=(server, token), daemon=True).start()
            self._serve_until(lambda: False)

    def _accept(self, server, token):
        """Accepts connections; each is checked in its own thread before it gets the device."""
        admission, greetings = threading.Lock(), threading.BoundedSemaphore(GREETINGS)
        while not self.ending:
            try:
                stream, address = server.accept()
            except socket.timeout:
                continue
            except OSError:
                if server.fileno() < 0:
                    return
                time.sleep(0.05)  # Too many open files, perhaps: retry.
                continue
            if not greetings.acquire(blocking=False):
                self._turn_away(stream, address[0], "too many connections at once")
                continue
            try:
                threading.Thread(target=self._greet, args=(stream, address[0], token, admission, greetings),
                                 daemon=True).start()
            except RuntimeError as error:  # No more threads.
                greetings.release()
                self._turn_away(stream, address[0], str(error))

    def _greet(self, stream, peer, token, admission, greetings):
        """Admits a connection that sends a valid frame or proves the token, if the device is free."""
        try:
            try:
                _watch_over(stream)
                heard = b"" if token else _await_frame(stream)
                why = _challenge(stream, token) if token else None if heard else "it sent no frame"
                if not why and not self._admit(stream, heard, admission):
                    why = "another host is using the device"
                    _say_no(stream, IN_USE, why)
            except OSError:
                why = "it sent no frame in time"
            if why:
                self._turn_away(stream, peer, why)
        finally:
            greetings.release()

    def _admit(self, stream, heard, admission):
        """Gives the device to the host of `stream`; False if another host still has it after LEAVING
        seconds. Several connections wait at the same time."""
        end = time.monotonic() + LEAVING
        while True:
            with admission:
                if not self._has_live_host():
                    if self.link:
                        self.link.close()
                    stream.settimeout(None)
                    first = [heard] if heard else []
                    _Link(self, lambda: first.pop() if first else stream.recv(65536), stream.sendall,
                          functools.partial(_hang_up, stream)).begin()
                    return True
            if time.monotonic() > end:
                return False
            time.sleep(0.02)

    def _has_live_host(self):
        # Without a watchdog a host may be silent for any time.
        patience = max(2 * self.watchdog, TAKE_OVER) if self.watchdog else math.inf
        return self.link and not self.link.ended and time.monotonic() - self.heard < patience

    def _turn_away(self, stream, peer, why):
        """Closes a connection, and reports it at most every five seconds."""
        _hang_up(stream)
        self.refused += 1
        if time.monotonic() - self.refused_told > GREETING:
            self.refused_told = time.monotonic()
            _say(f"refused a connection from {peer}: {why} ({self.refused} refused so far)")

    def _serve_in_background(self, address):
        earlier = _IN_BACKGROUND.pop(self.name, None)
        if earlier:
            earlier.stop()  # The same notebook cell was run before.
        server = _listen(address)
        address = _address(server)
        self.background = threading.Thread(target=self._serve_tcp, args=(server,), daemon=True, name=self.name)
        self.background.start()
        _IN_BACKGROUND[self.name] = self
        print(f"{self.name} serves in the background. Its address for twinprop is {address}; "
              f"{getattr(self.measure, '__name__', 'measure')}.stop() ends it.")

    def _parser(self):
        about = (__doc__ or "").partition("Options of @rig")[2].partition("What happens")[0]
        parser = argparse.ArgumentParser(
            description=f"{self.name}, a device for twinprop: inputs {self.inputs}; parameters {self.parameters}; outputs {self.outputs}. "
                        "Without an option it serves on standard input and output, as "
                        "`twinprop device info 'process:python3 SCRIPT'` starts it.",
            epilog="Options of @rig in the script" + about,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--tcp", metavar="[HOST:]PORT", help="listen on this address; HOST is 127.0.0.1 by default")
        parser.add_argument("--serial", metavar="PORT", help="serve on this serial port")
        parser.add_argument("--baud", type=int, default=115200, help="speed of the serial port (default 115200)")
        return parser

    # The end of the program.

    def _make_safe_at_exit(self):
        """Registers the safe state for the end of the program, before measure() runs for the first time."""
        self.used = True
        if not self.has_end:
            self.has_end = True
            atexit.register(self._at_exit)

    def _at_exit(self):
        if os.getpid() == self.process:
            self.stop()
            if not self.tried:
                self.make_safe()

    @contextlib.contextmanager
    def _signals(self):
        """Handles Ctrl-C and the signals that end a program while the device is served."""
        names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
        earlier, came = {}, []

        def handle(number, _):
            if self.interrupting:
                self.interrupting = False
                if self.measuring:
                    raise _Interrupted
            elif earlier.get(number) is signal.SIG_IGN:
                pass  # Ignored by nohup or `&`.
            elif not self.ending:
                came.append(number)
                self.ending = signal.Signals(number).name
            elif self.measuring:
                raise _Interrupted

        if threading.current_thread() is threading.main_thread():
            for name in names:
                if hasattr(signal, name):
                    number = getattr(signal, name)
                    earlier[number] = signal.signal(number, handle)
        self.has_signals = bool(earlier)
        try:
            yield
        finally:
            self.has_signals = False
            for number, handler in earlier.items():
                signal.signal(number, handler or signal.SIG_DFL)
        handler = earlier.get(came[0]) if came else None
        if callable(handler) and handler is not signal.default_int_handler:
            handler(came[0], None)  # The script's own handler; the device is safe by now.

    def _interrupt(self):
        """Makes the main thread leave measure()."""
        if self.has_signals:
            self.interrupting = True
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            else:
                _thread.interrupt_main()


class _Link:
    """A stream to a host, with a thread for reading and one for writing."""

    def __init__(self, device, read, write, hang_up=lambda: None):
        self.device, self.read, self.write, self.hang_up = device, read, write, hang_up
        self.outgoing = queue.Queue()
        self.ended = self.spoke = False
        self.writer = threading.Thread(target=self.writes, daemon=True)

    def begin(self):
        device = self.device
        with device.turn:
            device.link, device.rest, device.heard = self, b"", time.monotonic()
        threading.Thread(target=self.reads, daemon=True).start()
        self.writer.start()

    def reads(self):
        device = self.device
        try:
            while not self.ended:
                data = self.read()
                while self.outgoing.qsize() > 256 and not self.ended:
                    time.sleep(0.01)  # The host sends requests but does not read the answers.
                with device.turn:
                    if not data or self.ended:
                        return
                    for frame in device._frames(data):
                        self.spoke = True
                        for answer in device._take(*frame):
                            self.outgoing.put(answer)
                    device.turn.notify_all()
        except (OSError, ValueError):
            pass  # The link is lost or closed.
        finally:
            self.end()

    def writes(self):
        for frame in iter(self.outgoing.get, None):
            try:
                self.write(frame)
            except (OSError, ValueError):
                return self.end()

    def end(self):
        """Drops the requests of a host that has left, except the one being processed."""
        device = self.device
        with device.turn:
            if not self.ended:
                self.ended = device.lost = True
                device._drop_jobs()
                device.asked = []
                self.outgoing.put(None)
                device.turn.notify_all()

    def close(self):
        """Sends the remaining frames, for at most a second, and closes the link."""
        self.outgoing.put(None)
        self.writer.join(1.0)
        self.end()
        self.hang_up()


# The twin.


class _Twin:
    """The digital twin of `device`: its predictions and their vector-Jacobian product, with checks."""

    def __init__(self, device, predict):
        torch = sys.modules.get("torch")
        self.module = predict if torch is not None and isinstance(predict, torch.nn.Module) else None
        if self.module is None:
            if not callable(predict):
                raise TypeError(f"the twin is a {type(predict).__name__}; decorate a function (inputs, parameters) -> "
                                "readings, or give a torch.nn.Module")
            _check_arguments(predict, 2, "the inputs and the parameters")
            functools.update_wrapper(self, predict, updated=())
        self.device, self.predict, self.own_vjp = device, predict, None
        # Predictions have no range, nor have the cotangents of the outputs, inputs and parameters.
        self.readings = _Side(device.outputs.banks, "reading", bounded=False)
        self.cotangents, self.of_inputs, self.of_parameters = (
            _Side(side.banks, "cotangent", bounded=False) for side in (device.outputs, device.inputs, device.parameters))

    def __call__(self, inputs, parameters):
        """Predicted readings; the result is checked."""
        name = getattr(self.predict, "__name__", "the twin")
        found = self._torch(inputs, parameters) if self.module is not None else self.predict(inputs, parameters)
        try:
            return self.readings.checked(found, len(inputs))
        except Misfit as error:
            raise Misfit(f"{name}() returned no readings: {error}") from None

    def vjp(self, function):
        """Decorates `vjp(inputs, parameters, cotangents) -> (of_inputs, of_parameters)`."""
        _check_arguments(function, 3, "the inputs, the parameters and the readings' cotangents")
        self.own_vjp = function
        return function

    def pull(self, inputs, parameters, cotangents):
        """Cotangents of the inputs and of the parameters, each [shots, channels]."""
        shots = len(inputs)
        if self.own_vjp:
            found, name = self.own_vjp(inputs, parameters, cotangents), getattr(self.own_vjp, "__name__", "vjp")
        elif self.module is not None:
            found, name = self._torch(inputs, parameters, cotangents), "autograd"
        else:
            found, name = self._differences(inputs, parameters, cotangents), "the central difference"
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            kind = f"{len(found)} values" if isinstance(found, (tuple, list)) else f"a {type(found).__name__}"
            raise Misfit(f"{name}() returned {kind}, expected the cotangents of the inputs and of the parameters")
        checked = []
        for side, values, what in zip((self.of_inputs, self.of_parameters), found, ("inputs", "parameters")):
            if what == "parameters":
                values = self._of_each_shot(values, shots)
            try:
                checked.append(side.checked(values, shots))
            except Misfit as error:
                raise Misfit(f"{name}() returned no cotangents of the {what}: {error}") from None
        return checked

    def _of_each_shot(self, values, shots):
        """The parameters' cotangents of each shot. A sum over the shots, [parameters], becomes that of the first shot,
        because the host adds them up."""
        count = self.of_parameters.count
        if not count:
            return numpy.zeros((shots, 0), numpy.float32) if numpy else [[] for _ in range(shots)]
        if numpy and hasattr(values, "__array__"):
            values = numpy.asarray(values)
        shape = getattr(values, "shape", None)
        is_sum = len(shape) == 1 if isinstance(shape, tuple) else _is_row(values) and not any(map(_is_row, values))
        if is_sum and len(values) == count:
            return [values, *[[0.0] * count for _ in range(shots - 1)]]
        return values

    def _differences(self, inputs, parameters, cotangents):
        """Central differences in 64 bits, inside the ranges, so one-sided at their ends."""
        shots = len(inputs)

        def at(x, theta):
            found = self.predict(x, theta)
            self.readings.checked(found, shots)
            return numpy.asarray(found, float) if numpy else [list(map(float, row)) for row in found]

        def slopes(side, rows, of):
            columns = []
            for place, (low, high) in enumerate(side.ranges):
                sides, values = [], []
                for step in (STEP * (high - low), -STEP * (high - low)):
                    moved = rows.copy() if numpy else [list(row) for row in rows]
                    for row in moved:
                        row[place] = min(max(row[place] + step, low), high)
                    values.append([row[place] for row in moved])
                    sides.append(of(moved))
                each = [above - below for above, below in zip(*values)] * (shots // len(rows))
                if numpy:
                    columns.append(((sides[0] - sides[1]) * cotangents).sum(1) / each)
                else:
                    columns.append([sum((y - z) * dy for y, z, dy in zip(*shot)) / step
                                    for shot, step in zip(zip(*sides, cotangents), each)])
            return numpy.array(columns).reshape(len(columns), shots).T if numpy else [list(row) for row in zip(*columns)]

        if numpy:
            inputs, parameters = inputs.astype(float), parameters.astype(float)
        setting = parameters[None] if numpy else [parameters]
        return (slopes(self.device.inputs, inputs, lambda x: at(x, parameters)),
                slopes(self.device.parameters, setting, lambda theta: at(inputs, theta[0])))

    def _torch(self, inputs, parameters, cotangents=None):
        """Predictions of the module or, with cotangents, its vector-Jacobian product by autograd."""
        import torch

        place = next((parameter.device for parameter in self.module.parameters()), None)

        def tensor(values):
            return torch.tensor(values, dtype=torch.float32, device=place)

        # With a row of parameters for every shot, so that their cotangents are those of each shot.
        at = [tensor(inputs), tensor(parameters).repeat(len(inputs), 1)]
        if cotangents is None:
            with torch.no_grad():
                return self.module(*at).cpu()
        with torch.enable_grad():
            readings = self.module(*[values.requires_grad_() for values in at])
        self.readings.checked(readings.detach().cpu(), len(inputs))
        found = torch.autograd.grad(readings, at, tensor(cotangents), allow_unused=True)
        return tuple((torch.zeros_like(values) if gradient is None else gradient).cpu()
                     for gradient, values in zip(found, at))


class _Clock(threading.Thread):
    """Sends busy frames, checks the watchdog, and interrupts measurements that nobody waits for."""

    def __init__(self, device):
        super().__init__(daemon=True)
        self.device, self.over, self.said = device, False, 0.0

    def run(self):
        device = self.device
        period = min(0.05, device.watchdog / 4 or 1)
        last, unwanted = time.monotonic(), None
        while not self.over:
            time.sleep(period)
            with device.turn:
                now = time.monotonic()
                if now - last > period + 0.25:
                    # This process was blocked (a driver held Python's lock): its host was not silent.
                    device.heard = min(now, device.heard + now - last)
                last = now
                if device.link and device.link.outgoing.empty():
                    for frame in self.busy(now):
                        device._send(frame)
                if device._is_alone() and not device.tripped:
                    device.tripped = True
                    device.turn.notify_all()
                if not (device.measuring and (device.lost or device.asked or device.ending or device.tripped)):
                    unwanted = None
                elif unwanted is None:
                    unwanted = now
                elif now - unwanted > GRACE:
                    unwanted = now
                    device._interrupt()

    def busy(self, now):
        """Busy frames for the oldest request of this session, and for all requests of the safe state."""
        if now - self.said < BUSY_PERIOD:
            return []
        device = self.device
        waiting = [device.current] if device.current else []
        waiting += [(header, since) for header, _, since in device.jobs]
        waiting = [wait for wait in waiting if wait[0].session == device.session][:1] + device.asked
        late = [header for header, since in waiting if now - since > BUSY_PERIOD]
        if late:
            self.said = now
        return [encode(header._replace(kind=BUSY)) for header in late]


_IN_BACKGROUND = {}


def rig(inputs, outputs=None, parameters=(), **options):
    """Decorates `measure(inputs, parameters) -> outputs`. The start of this file lists the options."""
    if callable(inputs) or outputs is None:
        raise TypeError("write @rig(inputs=bank(…), parameters=bank(…), outputs=bank(…)) above the function")

    def decorate(measure):
        _check_arguments(measure, 2, "the inputs and the parameters",
                         "; of a method, decorate the bound one: rig(…)(laboratory.measure)")
        device = Device(measure, inputs, parameters, outputs, **options)
        if measure.__module__ == "__main__" and not _is_interactive():
            atexit.register(_remind, device)
        return device

    return decorate


def _check_arguments(function, count, which, advice=""):
    with contextlib.suppress(ValueError):  # Some built-in functions have no signature.
        signature = inspect.signature(function)
        try:
            signature.bind(*[None] * count)
        except TypeError:
            number = {2: "two", 3: "three"}[count]
            raise TypeError(f"{_name(function)}{signature} must take {number} arguments, {which}{advice}") from None


def _remind(device):
    """Reports, at the end of a script that was started as a rig, that it did not serve the device."""
    with contextlib.suppress(OSError):
        if not device.used and os.getpid() == device.process and stat.S_ISFIFO(os.fstat(0).st_mode):
            name = getattr(device.measure, "__name__", "measure")
            _say(f"{device.name} ended, and nothing served it: the script's last line must be {name}.serve()")


def _name(function):
    """A device's default name: script and function."""
    while isinstance(function, functools.partial):
        function = function.func
    module = getattr(function, "__module__", None) or ""
    script = module.rpartition(".")[2]
    if script in ("__main__", "__mp_main__"):
        file = getattr(sys.modules.get(module), "__file__", None)
        script = os.path.splitext(os.path.basename(file))[0] if file else "notebook" if _shell() else "python"
    name = getattr(function, "__name__", None) or type(function).__name__
    return f"{script}.{name.strip('<>')}"


def _shell():
    """IPython's shell; None outside IPython."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if hasattr(ipython, "get_ipython") else None


def _is_interactive():
    """Whether this is a notebook or a console, or has no standard input at all."""
    try:
        sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return True
    return _shell() is not None or hasattr(sys, "ps1")


class _Printed(io.RawIOBase):
    """An output file that never fails and never blocks for long, so that printing stops neither a measurement nor the
    safe function.

    A script that twinprop started holds both ends of its standard error, so that no broken pipe ends it. If
    twinprop was killed, nobody reads it, and a write to the full pipe would never return."""

    def __init__(self, file):
        self.file, self.name, self.patience, self.dropped = file, file, UNREAD, 0
        self.turn = threading.RLock()

    def writable(self):
        return True

    def fileno(self):
        return self.file

    def isatty(self):
        return os.isatty(self.file)

    def write(self, data):
        data = bytes(data)
        # A thread that was stopped at Python's exit may hold the lock for ever.
        if self.turn.acquire(timeout=2 * UNREAD):
            try:
                for start in range(0, len(data), PRINTED_AT_ONCE):
                    self.put(data[start : start + PRINTED_AT_ONCE])
            except (OSError, ValueError):
                pass  # The file is closed or broken.
            finally:
                self.turn.release()
        else:
            self.dropped += len(data)
        return len(data)

    def put(self, piece):
        if self.dropped and self.is_read():
            _write(self.file, f"[{self.dropped} bytes were dropped here: nobody read them]\n".encode())
            self.dropped = 0
        if self.is_read():
            _write(self.file, piece)
        else:
            self.dropped += len(piece)

    def is_read(self):
        """Whether a piece can be written at once. After a wait that failed, does not wait again until one can."""
        if os.name == "posix" and not select.select([], [self.file], [], self.patience)[1]:
            self.patience = 0.0
            return False
        self.patience = UNREAD
        return True


def _print_to(file, *names):
    """Makes the standard streams `names` write to `file` without blocking, also those that a logger holds."""
    printed = _Printed(file)
    for name in names:
        stream = getattr(sys, f"__{name}__")
        with contextlib.suppress(Exception):
            stream.flush()
        how = dict(encoding=getattr(stream, "encoding", None) or "utf-8", errors="backslashreplace", line_buffering=True)
        if isinstance(stream, io.TextIOWrapper):
            stream.__init__(printed, **how)
        else:  # The stream does not exist.
            setattr(sys, f"__{name}__", io.TextIOWrapper(printed, **how))


_PRIVATE = []


def _close_in_children(*files):
    """Closes `files` in processes that the script forks, so that these do not hold the link open."""
    if hasattr(os, "register_at_fork"):
        if not _PRIVATE:
            os.register_at_fork(after_in_child=lambda: [_close(file) for file in _PRIVATE])
        _PRIVATE.extend(files)


def _close(file):
    with contextlib.suppress(OSError):
        os.close(file)


def _watch_over(stream):
    """Sets up a connection: a time limit for the greeting, no delay, and keepalive to notice a vanished host."""
    stream.settimeout(GREETING)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # The default is two hours until the first probe. On macOS the first option is called TCP_KEEPALIVE.
    for names, value in [(("TCP_KEEPIDLE", "TCP_KEEPALIVE"), VANISHED // 3), (("TCP_KEEPINTVL",), VANISHED // 6),
                         (("TCP_KEEPCNT",), 4), (("TCP_USER_TIMEOUT",), 1000 * VANISHED)]:
        option = next((getattr(socket, name) for name in names if hasattr(socket, name)), None)
        with contextlib.suppress(OSError):
            if option is not None:
                stream.setsockopt(socket.IPPROTO_TCP, option, value)


def _hang_up(stream):
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)
    stream.close()


def _write(file, data):
    while data:
        data = data[os.write(file, data) :]


def _token():
    """The token that hosts must know, from the environment, or None."""
    token = os.environ.get("TWINPROP_TOKEN")
    if token is None:
        return None
    token = token.strip().encode()
    if len(token) < 16:
        raise SystemExit(f"TWINPROP_TOKEN has {len(token)} bytes, and a token needs 16; make one with "
                         "`openssl rand -hex 16` and set it on both sides")
    return token


def _proof(token, prover, challenge, nonce):
    """The answer of `prover` ("host" or "device") to a challenge (RFC 2104)."""
    return hmac.new(token, f"twinprop {prover} 1".encode() + challenge + nonce, hashlib.sha256).digest()


def _challenge(stream, token):
    """Lets the other end prove that it knows the token; returns the reason of a failure, or None."""
    challenge = os.urandom(32)
    stream.sendall(encode(Header(VERSION, CHALLENGE, 0, 0, 0, 0, 0, 0), challenge))
    end, rest = time.monotonic() + GREETING, b""
    with contextlib.suppress(socket.timeout):
        while time.monotonic() < end:
            data = stream.recv(512)
            if not data:
                return "it left"
            *pieces, rest = (rest + data).split(b"\0")
            rest = rest[:257]
            for piece in pieces:
                frame = decode(piece) if 0 < len(piece) <= 256 else None
                # A host may send Hello before it has read the challenge; it repeats it later.
                if not frame or frame[0].kind != PROOF:
                    continue
                nonce, proof = frame[1][:32], frame[1][32:]
                if not hmac.compare_digest(proof, _proof(token, "host", challenge, nonce)):
                    _say_no(stream, NO_TOKEN, "the token that this host has is not the device's; set TWINPROP_TOKEN "
                                              "to the same on both")
                    return "it does not know the token"
                stream.sendall(encode(Header(VERSION, PROVED, 0, 0, 0, 0, 0, 0),
                                      _proof(token, "device", challenge, nonce)))
                return None
    _say_no(stream, NO_TOKEN, "the device asks for a token; set TWINPROP_TOKEN to the device's on this host")
    return "it sent no proof of the token"


def _await_frame(stream):
    """The bytes received up to the first whole frame, for the device; empty if none came."""
    end, data = time.monotonic() + GREETING, b""
    while time.monotonic() < end and len(data) < 256:
        more = stream.recv(256 - len(data))
        if not more:
            break
        data += more
        if any(decode(piece) for piece in data.split(b"\0")[:-1] if piece):
            return data
    return b""


def _say_no(stream, code, text):
    with contextlib.suppress(OSError):
        stream.sendall(encode(Header(VERSION, ERROR, 0, 0, 0, 0, 0, 0),
                              struct.pack("<H", code) + text.encode()))


def _is_loopback(host):
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _listen(address):
    token = _token()
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit():
        raise SystemExit(f"{address!r} is not an address to listen on; write 127.0.0.1:7777 or 7777")
    if not _is_loopback(host) and token is None:
        raise SystemExit(
            f"{host}:{port}: anyone who reaches this address could drive the device; set TWINPROP_TOKEN on "
            "both sides (`export TWINPROP_TOKEN=$(openssl rand -hex 16)`), or listen on 127.0.0.1 and reach it "
            f"through SSH: `ssh -L {port}:127.0.0.1:{port} THIS_MACHINE`")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except (OSError, OverflowError) as error:
        raise SystemExit(f"cannot listen on {host}:{port}: {error}") from None


def _address(server):
    host, port = server.getsockname()[:2]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def _open_serial(path, baud):
    try:
        import termios
        import tty
    except ImportError:
        raise SystemExit("--serial needs Linux or macOS; use --tcp here") from None
    speed = getattr(termios, f"B{baud}", None)
    if speed is None:
        raise SystemExit(f"--baud {baud} is not supported on this system; use 115200")
    try:
        port = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(port)
        settings = termios.tcgetattr(port)
        settings[4] = settings[5] = speed
        termios.tcsetattr(port, termios.TCSANOW, settings)
    except (OSError, termios.error) as error:
        raise SystemExit(f"{path} cannot be opened as a serial port: {error}") from None
    return port
