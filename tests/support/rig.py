"""A device of the tests in rig_safety.rs and rig_faults.rs: it keeps a log, and fails as its mode says."""

import math, os, sys, time, tty
log, ramp, mode = sys.argv[1], float(sys.argv[2]), sys.argv[3]
del sys.argv[1:4]
if mode == "start6":
    time.sleep(6)
from twinprop_rig import _write, bank, rig

calls = 0

def note(text):
    with open(log, "a") as file:
        file.write(f"{time.time():.3f} {text}\n")

@rig(inputs=bank("d", 9, "V", -1, 1), parameters=bank("k", 9, "V", 0, 1), outputs=bank("y", 12, "V", -5, 5), watchdog=1.0)
def measure(inputs, parameters):
    global calls
    calls += 1
    note("driven")
    if mode == "fails" and calls > 5:
        raise RuntimeError("the camera is gone")
    if mode == "transient" and calls % 9 == 0:
        raise RuntimeError("frame dropped")
    if mode == f"once {calls}" and not os.path.exists(log + ".failed"):
        open(log + ".failed", "w").close()
        raise RuntimeError("the shutter is stuck")
    died = os.path.exists(log + ".died")
    if mode in ("dies", "dies once") and calls > 5 or mode == "dies" and died:
        if mode == "dies" or not died:
            open(log + ".died", "w").close()
            os.write(2, b"driver: \xff beam lost\n")
            os._exit(7)
    if mode == "slow":
        time.sleep(0.2 * len(inputs))
    end = time.monotonic() + 14
    while mode == "blocks" and time.monotonic() < end:
        try:
            time.sleep(0.1)
        except BaseException:
            pass  # A driver's call that nothing interrupts.
    rows = [[float(value) for value in row] for row in inputs]
    p = [float(value) for value in parameters]
    return [[math.tanh(row[i % 9] + p[i % 9] * row[(i + 1) % 9]) for i in range(12)] for row in rows]

@measure.safe
def off():
    note("safe begins")
    if mode == "unsafe":
        raise RuntimeError("no answer from the supply")
    print("ramp begins", file=sys.stderr, flush=True)
    time.sleep(ramp)
    if mode == "talks":
        # As a C library prints, which waits until it is read, and as Python does.
        os.write(2, b"c" * (200_000 if sys.platform == "linux" else 20_000))
        print("p" * 2_000_000)
    print("ramp ends", file=sys.stderr, flush=True)
    note("safe ends")

if "--pty" in sys.argv:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    print("at serial://" + os.ttyname(theirs), file=sys.stderr, flush=True)
    measure.serve_files(lambda: os.read(ours, 65536), lambda data: _write(ours, data))
else:
    measure.serve()
