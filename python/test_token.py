"""Access to a device over TCP: tokens, strangers and several hosts. Run by `python3 -m unittest discover python`."""

import contextlib
import io
import os
import re
import socket
import threading
import time
import unittest
from unittest import mock

import twinprop_rig
from twinprop_rig import (CHALLENGE, ERROR, HELLO, HELLO_REPLY, PROOF, PROVED, Device, Header, bank, decode,
                          encode)

TOKEN = "a token of twenty-nine bytes."


def frame(kind, payload=b""):
    return encode(Header(1, kind, 0, 0, 0, 0, 0, 0), payload)


class Client:
    """A connection that reads frames."""

    def __init__(self, address):
        self.link = socket.create_connection(address, timeout=5)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def send(self, data):
        self.link.sendall(data)

    def frames(self):
        """Frames until the link ends."""
        while True:
            try:
                data = self.link.recv(4096)
            except ConnectionError:
                return
            if not data:
                return
            *pieces, self.rest = (self.rest + data).split(b"\0")
            for piece in pieces:
                found = decode(piece) if piece else None
                if found:
                    yield found

    def next(self):
        return next(self.frames())


class Strangers(unittest.TestCase):
    def serve(self, token, **options):
        """Serves a device; returns its address and its output."""
        self.played = []
        environment = {"TWINPROP_TOKEN": token} if token else {}
        with mock.patch.dict(os.environ, environment):
            if not token:
                os.environ.pop("TWINPROP_TOKEN", None)
            device = Device(lambda xs, p: self.played.append(len(xs)) or [[0.0]] * len(xs),
                            bank("x", 1, "V", -1, 1), [], bank("y", 1, "V", -1, 1), name=f"d{id(self)}", **options)
            self.device = device
            said = io.StringIO()
            quiet = contextlib.ExitStack()
            quiet.enter_context(contextlib.redirect_stderr(said))
            quiet.enter_context(contextlib.redirect_stdout(io.StringIO()))
            self.addCleanup(quiet.close)
            server = twinprop_rig._listen("127.0.0.1:0")
            address = server.getsockname()
            thread = threading.Thread(target=device._serve_tcp, args=(server,), daemon=True)
            thread.start()
            self.wait_for("serves", said)

        def end():
            device.ending = "test"
            thread.join(5)
        self.addCleanup(end)
        return address[:2], said

    def wait_for(self, words, said):
        """Asserts that the device says `words`, which it may do after it has answered."""
        deadline = time.monotonic() + 5
        while words not in said.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertIn(words, said.getvalue())

    def prove(self, client, token):
        header, challenge = client.next()
        self.assertEqual(header.kind, CHALLENGE)
        nonce = os.urandom(32)
        client.send(frame(PROOF, nonce + twinprop_rig._proof(token.encode(), "host", challenge, nonce)))
        return challenge, nonce

    def test_proofs_are_the_same_as_in_rust(self):
        proofs = [twinprop_rig._proof(TOKEN.encode(), who, b"\1" * 32, b"\2" * 32).hex()
                  for who in ("host", "device")]
        source = os.path.join(os.path.dirname(__file__), "../devices/src/rig/token.rs")
        with open(source, encoding="utf-8") as file:
            vectors = re.findall(r'const (?:HOST|DEVICE): &str = "([0-9a-f]{64})"', file.read().replace("\n        ", " "))
        self.assertEqual(proofs, vectors)

    def test_a_host_with_the_token_is_admitted(self):
        address, _ = self.serve(TOKEN)
        with Client(address) as client:
            challenge, nonce = self.prove(client, TOKEN)
            header, proof = client.next()
            self.assertEqual(header.kind, PROVED)
            self.assertEqual(proof, twinprop_rig._proof(TOKEN.encode(), "device", challenge, nonce))
            client.send(frame(HELLO))
            self.assertEqual(client.next()[0].kind, HELLO_REPLY)

    def test_a_host_without_the_token_is_refused(self):
        address, said = self.serve(TOKEN)
        with Client(address) as client:
            self.prove(client, "another token of some length")
            header, payload = client.next()
            self.assertEqual((header.kind, payload[0]), (ERROR, 8))
            self.assertIn(b"the token that this host has is not the device's; set TWINPROP_TOKEN to the same", payload)
            self.assertEqual(list(client.frames()), [])
        with Client(address) as client:
            client.next()
            client.send(frame(PROOF, b"short") + frame(HELLO))
            self.assertEqual([found[0].kind for found in client.frames()], [ERROR])
        self.wait_for("does not know the token", said)

    def test_a_host_that_sends_no_proof_is_told_what_is_missing(self):
        with mock.patch.object(twinprop_rig, "GREETING", 0.3):
            address, _ = self.serve(TOKEN)
            with Client(address) as client:
                self.assertEqual(client.next()[0].kind, CHALLENGE)
                client.send(frame(HELLO))
                header, payload = client.next()
                self.assertEqual((header.kind, payload[0]), (ERROR, 8))
                self.assertIn(b"set TWINPROP_TOKEN to the device's on this host", payload)
                self.assertEqual(list(client.frames()), [])

    def test_a_replayed_proof_is_refused(self):
        address, _ = self.serve(TOKEN)
        with Client(address) as client:
            _, challenge = client.next()
            nonce = os.urandom(32)
            proof = frame(PROOF, nonce + twinprop_rig._proof(TOKEN.encode(), "host", challenge, nonce))
            client.send(proof)
            self.assertEqual(client.next()[0].kind, PROVED)
        with Client(address) as client:
            client.next()
            client.send(proof)
            self.assertEqual(client.next()[0].kind, ERROR)

    def test_random_and_silent_clients_delay_no_other_client(self):
        for token in (TOKEN, None):
            address, _ = self.serve(token)
            silent = [socket.create_connection(address) for _ in range(5)]
            for _ in range(300):
                with contextlib.suppress(OSError), socket.create_connection(address, timeout=5) as link:
                    link.sendall(os.urandom(300))
            start = time.monotonic()
            with Client(address) as client:
                if token:
                    self.prove(client, token)
                    client.next()
                client.send(frame(HELLO))
                self.assertEqual(client.next()[0].kind, HELLO_REPLY)
            self.assertLess(time.monotonic() - start, 3)
            self.assertEqual(self.played, [])
            for link in silent:
                link.close()

    def test_a_second_host_learns_that_the_device_is_in_use(self):
        address, _ = self.serve(None)
        with Client(address) as first, Client(address) as second:
            first.send(frame(HELLO))
            self.assertEqual(first.next()[0].kind, HELLO_REPLY)
            second.send(frame(HELLO))
            header, payload = second.next()
            self.assertEqual((header.kind, payload[0]), (ERROR, 9))
            self.assertIn(b"another host", payload)

    def test_many_waiting_hosts_are_limited_and_delay_no_other_host(self):
        address, said = self.serve(None)
        before = threading.active_count()
        with Client(address) as first:
            first.send(frame(HELLO))
            first.next()
            crowd = [socket.create_connection(address) for _ in range(300)]
            for link in crowd:
                with contextlib.suppress(ConnectionError):
                    link.sendall(frame(HELLO))
            most = 0
            for _ in range(20):
                most = max(most, threading.active_count() - before)
                time.sleep(0.01)
            self.assertLess(most, twinprop_rig.GREETINGS + 8)
            self.assertGreater(most, 8)  # Several wait at the same time.
            time.sleep(twinprop_rig.LEAVING)
            start = time.monotonic()
            with Client(address) as second:
                second.send(frame(HELLO))
                self.assertEqual(second.next()[1][0], 9)
            self.assertLess(time.monotonic() - start, 2 * twinprop_rig.LEAVING)
            first.send(frame(HELLO))
            self.assertEqual(first.next()[0].kind, HELLO_REPLY)
        start = time.monotonic()
        with Client(address) as third:
            third.send(frame(HELLO))
            self.assertEqual(third.next()[0].kind, HELLO_REPLY)
        self.assertLess(time.monotonic() - start, twinprop_rig.LEAVING)
        self.wait_for("too many connections at once", said)
        for link in crowd:
            link.close()

    def test_a_silent_host_keeps_a_device_without_a_watchdog(self):
        for watchdog, kept in [(0.0, True), (0.05, False)]:
            with mock.patch.object(twinprop_rig, "TAKE_OVER", 0.2), mock.patch.object(twinprop_rig, "LEAVING", 0.2):
                address, _ = self.serve(None, watchdog=watchdog)
                with Client(address) as first, Client(address) as second:
                    first.send(frame(HELLO))
                    self.assertEqual(first.next()[0].kind, HELLO_REPLY)
                    time.sleep(0.4)
                    second.send(frame(HELLO))
                    self.assertEqual(second.next()[0].kind, ERROR if kept else HELLO_REPLY)
                    if kept:
                        first.send(frame(HELLO))
                        self.assertEqual(first.next()[0].kind, HELLO_REPLY)

    def test_the_operating_system_notices_a_vanished_host(self):
        address, _ = self.serve(None, watchdog=0)
        with Client(address) as client:
            client.send(frame(HELLO))
            client.next()
            (stream,) = self.device.link.hang_up.args
            self.assertTrue(stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
            if hasattr(socket, "TCP_KEEPIDLE"):
                idle, between, count = (stream.getsockopt(socket.IPPROTO_TCP, getattr(socket, "TCP_KEEP" + name))
                                        for name in ("IDLE", "INTVL", "CNT"))
                self.assertLessEqual(idle + between * count, twinprop_rig.VANISHED)

    def test_a_token_that_is_too_short_is_refused_at_every_address(self):
        for token, bytes_ in [("short", 5), ("", 0), ("  fifteen bytes.  ", 14)]:
            with mock.patch.dict(os.environ, TWINPROP_TOKEN=token):
                for address in ("127.0.0.1:0", "0", "[::1]:0", "0.0.0.0:0"):
                    with self.assertRaises(SystemExit) as refused:
                        twinprop_rig._listen(address)
                    self.assertIn(f"has {bytes_} bytes, and a token needs 16", str(refused.exception))

    def test_listening_beyond_loopback_needs_a_token(self):
        with mock.patch.dict(os.environ):
            os.environ.pop("TWINPROP_TOKEN", None)
            for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:7777"):
                with self.assertRaises(SystemExit) as refused:
                    twinprop_rig._listen(address)
                self.assertIn("openssl rand", str(refused.exception))
                self.assertIn("ssh -L", str(refused.exception))
            os.environ["TWINPROP_TOKEN"] = TOKEN
            twinprop_rig._listen("0.0.0.0:0").close()


if __name__ == "__main__":
    unittest.main()
