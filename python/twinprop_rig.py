"""A Python function as a device that twinprop can train.

    from twinprop_rig import bank, rig

    @rig(
        inputs=bank("drive", 4, "V", 0.0, 1.0),
        parameters=bank("bias", 2, "V", 0.0, 1.0),
        outputs=bank("reading", 3, "V", -5.0, 5.0),
    )
    def measure(inputs, parameters):
        ...  # drive the hardware
        return readings

    measure.serve()

`inputs` is [shots, channels], `parameters` [channels], the result [shots, channels]: NumPy arrays of
float32 where NumPy is installed, lists of floats otherwise. Values are in the units of the banks and
inside their ranges; twinprop never sends others, and this file refuses them.

    twinprop train recipe.toml --device 'process:python3 my_rig.py'
    python3 my_rig.py --tcp 127.0.0.1:7777      # then --device tcp://127.0.0.1:7777
    python3 my_rig.py --serial /dev/ttyGS0      # the device's end of a serial line

One file, the standard library only; copy it beside your script. The protocol is described in
devices/PROTOCOL.md. In standard input and output mode, what the script prints goes to standard error.
"""

import argparse
import collections
import json
import os
import queue
import socket
import struct
import sys
import threading
import time
import zlib

try:
    import numpy
except ImportError:
    numpy = None

VERSION = 1
HELLO, DESCRIBE, OPEN, CONFIGURE, PLAY, PLAY_CODES, PING, SAFE = range(1, 9)
HELLO_REPLY, DESCRIPTION, OPENED, CONFIGURED = 0x81, 0x82, 0x83, 0x84
MEASURED, MEASURED_CODES, HEALTH, SAFE_REPLY = 0x85, 0x86, 0x87, 0x88
NAK, ERROR = 0xFE, 0xFF
NO_SESSION, WRONG_EPOCH, WRONG_SHAPE, OUT_OF_RANGE, FAULT = range(1, 6)

HEADER = struct.Struct("<BBHIHHHH")
Header = collections.namedtuple(
    "Header", "version kind session sequence first_shot shots channels epoch"
)


# Frames.


def cobs_encode(data):
    """Consistent overhead byte stuffing: no zero inside."""
    blocks = data.split(b"\0")
    out = bytearray()
    for place, block in enumerate(blocks):
        whole = len(block) // 254
        for start in range(0, whole * 254, 254):
            out.append(255)
            out += block[start : start + 254]
        rest = block[whole * 254 :]
        # A run of 254 that ends the data needs no empty block behind it.
        if rest or not whole or place < len(blocks) - 1:
            out.append(len(rest) + 1)
            out += rest
    return bytes(out)


def cobs_decode(data):
    """What was stuffed, or None."""
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
    """A frame as it goes on the wire."""
    body = HEADER.pack(*header) + payload
    return b"\0" + cobs_encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0"


def decode(piece):
    """Header and payload of what stood between two zeros, or None."""
    body = cobs_decode(piece)
    if body is None or len(body) < HEADER.size + 4:
        return None
    body, (crc,) = body[:-4], struct.unpack("<I", body[-4:])
    header = Header(*HEADER.unpack_from(body))
    if crc != zlib.crc32(body) or header.version != VERSION:
        return None
    return header, body[HEADER.size :]


def largest_payload(frame):
    """Bytes of payload that fit a frame of `frame` bytes."""
    inside = frame - 2
    return inside - -(-inside // 255) - HEADER.size - 4


# The interface.


def bank(name, count, unit, minimum, maximum, largest_step=None, matrix_gain=None):
    """`count` channels with one unit and one range; banks are joined by putting them in a list.

    `largest_step` is the largest change from one shot to the next that the device bears. `matrix_gain` is
    for parameters that are the weights of a linear device, the outputs for each input in turn: the
    readings are that gain times the drives by the weights."""
    if not (count > 0 and minimum < maximum):
        raise ValueError(f"bank {name!r}: at least one channel, and a minimum below the maximum")
    found = dict(name=name, count=count, unit=unit, minimum=float(minimum), maximum=float(maximum))
    if largest_step is not None:
        found["largest_step"] = float(largest_step)
    if matrix_gain is not None:
        found["matrix_gain"] = float(matrix_gain)
    return found


class _Side:
    """The channels of one side: their ranges, one by one."""

    def __init__(self, banks):
        self.banks = [banks] if isinstance(banks, dict) else list(banks or [])
        ranges = [(b["minimum"], b["maximum"]) for b in self.banks for _ in range(b["count"])]
        # As the 32-bit floats that travel.
        self.ranges = [struct.unpack("<2f", struct.pack("<2f", *pair)) for pair in ranges]
        self.count = len(ranges)
        if numpy:
            self.low, self.high = numpy.array(self.ranges or [(0, 0)], numpy.float32).T

    def shots(self, values, coded):
        """[shots, channels] from the bytes of a frame."""
        if numpy:
            if not coded:
                return numpy.frombuffer(values, "<f4").reshape(-1, self.count)
            codes = numpy.frombuffer(values, "<u2").reshape(-1, self.count).astype(numpy.float32)
            scale = (self.high - self.low) / numpy.float32(65535)
            return numpy.minimum(self.low + codes * scale, self.high)
        kind = "H" if coded else "f"
        flat = struct.unpack(f"<{len(values) // struct.calcsize(kind)}{kind}", values)
        rows = [flat[i : i + self.count] for i in range(0, len(flat), self.count)]
        if coded:
            rows = [
                [low + code * (high - low) / 65535 for code, (low, high) in zip(row, self.ranges)]
                for row in rows
            ]
        return [list(row) for row in rows]

    def stray(self, shots):
        """The first value that is no number or out of its range, in words, or None."""
        if numpy:
            shots = numpy.asarray(shots, numpy.float32)
            if ((shots >= self.low) & (shots <= self.high)).all():
                return None
        for row in shots:
            for place, (value, (low, high)) in enumerate(zip(row, self.ranges)):
                if not low <= value <= high:
                    return f"channel {place} of {value}, outside {low} to {high}"
        return None

    def bytes(self, shots, coded):
        """The bytes of [shots, channels]."""
        if numpy and not coded:
            return numpy.ascontiguousarray(shots, "<f4").tobytes()
        if coded:
            flat = [
                round((value - low) / (high - low) * 65535)
                for row in shots
                for value, (low, high) in zip(row, self.ranges)
            ]
            return struct.pack(f"<{len(flat)}H", *flat)
        flat = [value for row in shots for value in row]
        return struct.pack(f"<{len(flat)}f", *flat)


# The device's end of a link.


class Device:
    """A measuring function behind the protocol, without a port: bytes in, frames out."""

    def __init__(self, measure, inputs, parameters, outputs, *, name=None, serial_number="1",
                 firmware="twinprop_rig.py 1", seconds_per_shot=1e-3, stateful=False,
                 largest_frame=16384, window_frames=8, watchdog=2.0, codes=True, boot=None):
        self.measure, self.on_safe = measure, lambda: None
        self.inputs, self.parameters, self.outputs = map(_Side, (inputs, parameters, outputs))
        self.stateful, self.watchdog, self.codes = stateful, watchdog, codes
        self.largest_frame, self.window_frames = largest_frame, window_frames
        interface = dict(
            device=name or measure.__name__,
            inputs=self.inputs.banks,
            parameters=self.parameters.banks,
            outputs=self.outputs.banks,
            seconds_per_shot=seconds_per_shot,
        )
        description = dict(name=name or measure.__name__, serial_number=serial_number,
                           firmware=firmware, interface=interface)
        self.description = json.dumps(description).encode()
        self.boot = boot or int.from_bytes(os.urandom(4), "little") or 1
        self.start = self.heard = time.monotonic()
        self.session = self.expected = self.epoch = self.played = self.trips = 0
        self.setting, self.incoming = None, (0, b"")
        self.answers = collections.OrderedDict()
        self.is_safe, self.rest = True, b""

    def safe(self, function):
        """Decorates the function that turns every drive off. It is called on the host's word, when
        the link ends, when the host falls silent, and when a measurement fails."""
        self.on_safe = function
        return function

    def receive(self, data):
        """Yields the frames that answer `data`."""
        pieces = (self.rest + data).split(b"\0")
        # Longer than any frame: garbage up to the next zero.
        self.rest = pieces[-1][: self.largest_frame + 1]
        for piece in pieces[:-1]:
            frame = decode(piece) if 0 < len(piece) <= self.largest_frame else None
            if frame:
                self.heard = time.monotonic()
                yield from self._take(*frame)

    def watch(self):
        """Goes to the safe state if the host has been silent for too long."""
        if self.watchdog and not self.is_safe and time.monotonic() - self.heard > self.watchdog:
            self.trips += 1
            self.make_safe()

    def make_safe(self):
        """Turns every drive off and forgets the parameters."""
        self.is_safe, self.epoch = True, 0
        self.on_safe()

    def _take(self, header, payload):
        kind = header.kind
        if kind == HELLO:
            window = self.largest_frame * min(self.window_frames, 3)
            watchdog = int(self.watchdog * 1000)
            yield encode(header._replace(kind=HELLO_REPLY), struct.pack(
                "<BBBBIIIHHIII", VERSION, VERSION, 1 | self.codes << 1, self.stateful, self.boot, self.largest_frame,
                window, self.window_frames, self.session, watchdog, len(self.description),
                zlib.crc32(self.description)))
        elif kind == DESCRIBE and len(payload) == 4:
            (offset,) = struct.unpack("<I", payload)
            piece = self.description[offset : offset + largest_payload(self.largest_frame) - 4]
            yield encode(header._replace(kind=DESCRIPTION), payload + piece)
        elif kind == OPEN and payload == struct.pack("<I", self.boot) and header.session:
            newer = (header.session - self.session) & 0xFFFF
            if newer > 0x7FFF and self.session:
                return  # A late frame of a session that is over.
            if newer:
                self.session, self.expected, self.epoch = header.session, 0, 0
                self.answers.clear()
            yield encode(header._replace(kind=OPENED, epoch=self.epoch),
                         struct.pack("<II", self.boot, self.expected))
        elif kind == PING:
            uptime = int((time.monotonic() - self.start) * 1000) & 0xFFFFFFFF
            yield encode(header._replace(kind=HEALTH, epoch=self.epoch), struct.pack(
                "<IIIIQ", self.boot, self.is_safe, uptime, self.trips, self.played))
        elif kind == SAFE:
            self.make_safe()
            yield encode(header._replace(kind=SAFE_REPLY))
        elif kind in (CONFIGURE, PLAY, PLAY_CODES):
            yield from self._take_in_order(header, payload)

    def _take_in_order(self, header, payload):
        if header.session != self.session or not self.session:
            yield self._error(header, NO_SESSION, "the session is not open")
            return
        ahead = (header.sequence - self.expected) & 0xFFFFFFFF
        if ahead == 0:
            self.expected = (self.expected + 1) & 0xFFFFFFFF
            answer = self._configure if header.kind == CONFIGURE else self._play
            self.answers[header.sequence] = frame = answer(header, payload)
            if len(self.answers) > self.window_frames:
                self.answers.popitem(last=False)
            yield frame
        elif ahead < 0x7FFFFFFF:
            yield encode(Header(VERSION, NAK, self.session, self.expected, 0, 0, 0, 0))
        elif header.sequence in self.answers:
            yield self.answers[header.sequence]

    def _configure(self, header, payload):
        count = self.parameters.count
        if len(payload) != 8 + 4 * header.channels:
            return self._error(header, WRONG_SHAPE, "a configure frame is cut short")
        offset, total = struct.unpack_from("<II", payload)
        if total != count or offset + header.channels > count or not header.epoch:
            return self._error(header, WRONG_SHAPE, f"there are {count} parameters")
        epoch, received = self.incoming if offset else (header.epoch, b"")
        if epoch == header.epoch and len(received) == 4 * offset:
            received += payload[8:]
        if epoch == header.epoch and len(received) == 4 * count:
            setting = self.parameters.shots(received, False) if count else [[]]
            stray = self.parameters.stray(setting)
            if stray:
                return self._error(header, OUT_OF_RANGE, "parameter " + stray)
            self.setting, self.epoch = setting[0], epoch
        self.incoming = (epoch, received)
        return encode(header._replace(kind=CONFIGURED))

    def _play(self, header, payload):
        if header.epoch != self.epoch or not self.epoch:
            return self._error(header, WRONG_EPOCH, f"parameters {header.epoch} are asked for")
        coded = header.kind == PLAY_CODES
        width, room = 2 if coded else 4, largest_payload(self.largest_frame)
        if (header.channels != self.inputs.count or not header.shots
                or len(payload) != width * header.shots * header.channels
                or width * header.shots * self.outputs.count > room):
            text = f"a shot has {self.inputs.count} channels"
            return self._error(header, WRONG_SHAPE, text)
        shots = self.inputs.shots(payload, coded)
        stray = self.inputs.stray(shots)
        if stray:
            return self._error(header, OUT_OF_RANGE, "drive " + stray)
        self.is_safe = False
        try:
            readings = self.measure(shots, self.setting)
            if len(readings) != header.shots or any(len(r) != self.outputs.count for r in readings):
                raise ValueError(f"measure() returned no [{header.shots}, {self.outputs.count}]")
            stray = self.outputs.stray(readings)
            if stray:
                raise ValueError("it measured " + stray)
        except Exception as error:  # Whatever a laboratory's code raises ends up with its host.
            self.make_safe()
            return self._error(header, FAULT, f"{type(error).__name__}: {error}")
        self.played += header.shots
        header = header._replace(kind=MEASURED_CODES if coded else MEASURED,
                                 channels=self.outputs.count)
        return encode(header, self.outputs.bytes(readings, coded))

    @staticmethod
    def _error(header, code, text):
        return encode(header._replace(kind=ERROR), struct.pack("<H", code) + text.encode()[:160])

    # Links.

    def serve(self, arguments=None):
        """Serves on standard input and output, or as the command line says."""
        parser = argparse.ArgumentParser(description=f"{self.measure.__name__} as a device")
        parser.add_argument("--tcp", metavar="HOST:PORT", help="listen there")
        parser.add_argument("--serial", metavar="PORT", help="the device's end of a serial line")
        parser.add_argument("--baud", type=int, default=115200)
        chosen = parser.parse_args(arguments)
        try:
            if chosen.tcp:
                self._serve_tcp(*chosen.tcp.rsplit(":", 1))
            elif chosen.serial:
                port = _open_serial(chosen.serial, chosen.baud)
                self.serve_files(lambda: os.read(port, 65536), lambda data: _write(port, data))
            else:
                output = os.dup(1)
                os.dup2(2, 1)  # What the script prints must not get among the frames.
                self.serve_files(lambda: os.read(0, 65536), lambda data: _write(output, data))
        except KeyboardInterrupt:
            pass
        finally:
            self.make_safe()

    def _serve_tcp(self, host, port):
        with socket.create_server((host, int(port))) as server:
            print(f"serving on tcp://{host}:{server.getsockname()[1]}", file=sys.stderr, flush=True)
            while True:
                link, _ = server.accept()
                with link:
                    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    try:
                        self.serve_files(lambda: link.recv(65536), link.sendall)
                    except OSError as error:
                        print(f"link lost: {error}", file=sys.stderr)

    def serve_files(self, read, write):
        """Serves until `read` returns nothing; looks after the watchdog meanwhile."""
        pieces = queue.Queue(maxsize=64)

        def reader():
            data = True
            while data:
                try:
                    data = read()
                except OSError:
                    data = b""
                pieces.put(data)

        threading.Thread(target=reader, daemon=True).start()
        patience = min(0.05, self.watchdog / 4) if self.watchdog else 1.0
        try:
            while True:
                try:
                    data = pieces.get(timeout=patience)
                except queue.Empty:
                    self.watch()
                    continue
                if not data:
                    return
                for frame in self.receive(data):
                    write(frame)
        finally:
            self.make_safe()


def rig(inputs, outputs, parameters=(), **options):
    """Decorates `measure(inputs, parameters) -> outputs`; the options are those of `Device`."""
    return lambda measure: Device(measure, inputs, parameters, outputs, **options)


def _write(file, data):
    while data:
        data = data[os.write(file, data) :]


def _open_serial(path, baud):
    import termios
    import tty

    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    settings = termios.tcgetattr(port)
    settings[4] = settings[5] = getattr(termios, f"B{baud}")
    termios.tcsetattr(port, termios.TCSANOW, settings)
    return port
