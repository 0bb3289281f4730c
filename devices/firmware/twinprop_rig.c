/* See twinprop_rig.h. */
#include "twinprop_rig.h"

#include <string.h>

#include "twinprop_frame.h"
#include "twinprop_shots.h"

enum kind {
    HELLO = 1, DESCRIBE, OPEN, CONFIGURE, PLAY, PING = 7, SAFE, PREDICT = 0x0a, VJP, PLAY_SPIKES,
    HELLO_REPLY = 0x81, DESCRIPTION, OPENED, CONFIGURED, MEASURED, HEALTH = 0x87, SAFE_REPLY,
    MEASURED_SPIKES = 0x8d, BUSY = 0xfd, NAK = 0xfe, FAILED = 0xff
};
enum refusal { NO_SESSION = 1, WRONG_EPOCH, WRONG_SHAPE, OUT_OF_RANGE, FAULT, UNKNOWN, SAFE_FAILED };
enum { VERSION = 1, HEADER = 16 };

/* Milliseconds of work after which, and in which, the device says that it is busy. */
enum { BUSY_PERIOD = 200 };

/* Where a header's fields stand. */
enum { KIND = 1, SESSION = 2, SEQUENCE = 4, FIRST_SHOT = 8, SHOTS = 10, CHANNELS = 12, EPOCH = 14 };

struct answer {
    uint32_t sequence;
    uint16_t length; /* 0 where there is none */
    uint8_t body[TWINPROP_FRAME];
};

static const struct twinprop_device *device;
static uint8_t received[TWINPROP_FRAME];
static size_t received_length;
static uint8_t body[TWINPROP_FRAME]; /* the answer that is being written */
static size_t length;
static uint8_t wire[TWINPROP_FRAME];
static struct answer answers[TWINPROP_WINDOW];
static uint8_t newest;
static float parameters[TWINPROP_PARAMETERS + 1], incoming[TWINPROP_PARAMETERS + 1];
static uint16_t session, epoch, incoming_epoch;
static uint32_t expected, incoming_count, heard, trips;
static uint64_t shots_played;
/* Whether the safe state was reached and no shot played since; whether a shot was played since it was
 * last tried; why it was not reached, if it was not. */
static uint8_t is_safe, driven;
static const char *safe_failure;
/* Header of the frame that is worked on, with the kind of a busy frame; without a frame, as on the
 * watchdog's way to the safe state, its first byte is 0. When busy was last said. */
static uint8_t working_on[HEADER];
/* Whether measure() or safe() runs: bytes that come are dropped. */
static uint8_t is_working;
static uint32_t busy_said;

static void put8(uint8_t value) { body[length++] = value; }

static void put16(uint16_t value)
{
    set16(body + length, value);
    length += 2;
}

static void put32(uint32_t value)
{
    put16((uint16_t)value);
    put16((uint16_t)(value >> 16));
}

/* Begins an answer with the header of what it answers, but of another kind. */
static void begin(const uint8_t *header, uint8_t kind)
{
    memcpy(body, header, HEADER);
    body[KIND] = kind;
    length = HEADER;
}

/* Sends `count` bytes of a body with their checksum. */
static void send_body(const uint8_t *bytes, size_t count)
{
    device->write(wire, frame_of(bytes, count, wire));
}

static void send(void) { send_body(body, length); }

/* Sends an answer and remembers it. */
static void answer(void)
{
    newest = (uint8_t)((newest + 1) % TWINPROP_WINDOW);
    answers[newest].sequence = get32(body + SEQUENCE);
    answers[newest].length = (uint16_t)length;
    memcpy(answers[newest].body, body, length);
    send();
}

static void refuse(const uint8_t *header, enum refusal why, const char *text)
{
    begin(header, FAILED);
    put16((uint16_t)why);
    while (*text && length < HEADER + TWINPROP_PAYLOAD)
        put8((uint8_t)*text++);
}

static void make_safe(void)
{
    epoch = incoming_epoch = 0;
    driven = 0;
    safe_failure = NULL;
    uint8_t was_working = is_working;
    is_working = 1;
    device->safe();
    is_working = was_working;
    is_safe = !safe_failure;
}

/* Between these two the hardware is at work on the frame of `header`. */
static void begin_work(const uint8_t *header)
{
    memcpy(working_on, header, HEADER);
    working_on[KIND] = BUSY;
    busy_said = device->milliseconds();
    is_working = 1;
}

static void end_work(void)
{
    is_working = 0;
    working_on[0] = 0;
    /* Nothing was read meanwhile: it was not the host that was silent. */
    heard = device->milliseconds();
}

static void forget_session(void)
{
    expected = 0;
    epoch = incoming_epoch = 0;
    for (size_t i = 0; i < TWINPROP_WINDOW; i++)
        answers[i].length = 0;
}

static void greet(const uint8_t *header)
{
    size_t text = strlen(device->description);
    begin(header, HELLO_REPLY);
    put8(VERSION);
    put8(VERSION);
    put8(1 | HAS_RASTER << 3); /* floats, the cells of rasters in bits */
    put8(device->stateful);
    put32(device->boot);
    put32(TWINPROP_FRAME);
    put32((uint32_t)TWINPROP_FRAME * TWINPROP_WINDOW);
    put16(TWINPROP_WINDOW);
    put16(session);
    put32(device->watchdog_ms);
    put32((uint32_t)text);
    put32(crc32_of((const uint8_t *)device->description, text));
    send();
}

static void describe(const uint8_t *header, uint32_t offset)
{
    size_t text = strlen(device->description);
    begin(header, DESCRIPTION);
    put32(offset);
    while (offset < text && length < HEADER + TWINPROP_PAYLOAD)
        put8((uint8_t)device->description[offset++]);
    send();
}

static void open_session(const uint8_t *header)
{
    uint16_t wanted = get16(header + SESSION);
    uint16_t newer = (uint16_t)(wanted - session);
    if (!wanted || (session && newer > 0x7fff))
        return; /* a late frame of a session that is over */
    if (newer) {
        session = wanted;
        forget_session();
    }
    begin(header, OPENED);
    set16(body + EPOCH, epoch);
    put32(device->boot);
    put32(expected);
    send();
}

static void health(const uint8_t *header)
{
    begin(header, HEALTH);
    set16(body + EPOCH, epoch);
    put32(device->boot);
    put32(is_safe);
    put32(device->milliseconds());
    put32(trips);
    put32((uint32_t)shots_played);
    put32((uint32_t)(shots_played >> 32));
    send();
}

static void configure(const uint8_t *header, const uint8_t *payload, size_t size)
{
    uint16_t count = get16(header + CHANNELS), wanted = get16(header + EPOCH);
    if (size != 8 + 4u * count || !wanted || get32(payload + 4) != TWINPROP_PARAMETERS ||
        get32(payload) > TWINPROP_PARAMETERS || count > TWINPROP_PARAMETERS - get32(payload)) {
        refuse(header, WRONG_SHAPE, "the parameters have another number");
        return;
    }
    uint32_t offset = get32(payload);
    for (uint16_t i = 0; i < count; i++) {
        if (!in_range(get_float(payload + 8 + 4 * i), device->parameters[offset + i])) {
            refuse(header, OUT_OF_RANGE, "a parameter is out of its range");
            return;
        }
    }
    if (!offset) {
        incoming_epoch = wanted;
        incoming_count = 0;
    }
    if (incoming_epoch == wanted && incoming_count == offset) {
        for (uint16_t i = 0; i < count; i++)
            incoming[offset + i] = get_float(payload + 8 + 4 * i);
        incoming_count += count;
        if (incoming_count == TWINPROP_PARAMETERS) {
            memcpy(parameters, incoming, sizeof parameters);
            epoch = wanted;
        }
    }
    begin(header, CONFIGURED);
}

static void play(const uint8_t *header, const uint8_t *payload, size_t size)
{
    uint16_t shots = get16(header + SHOTS);
    if (get16(header + EPOCH) != epoch || !epoch) {
        refuse(header, WRONG_EPOCH, "other parameters are held");
        return;
    }
    if (get16(header + CHANNELS) != INPUT_CHANNELS || !shots ||
        size != (size_t)shots * TWINPROP_INPUT_BYTES ||
        (size_t)shots * TWINPROP_OUTPUT_BYTES > TWINPROP_PAYLOAD) {
        refuse(header, WRONG_SHAPE, "a shot has another size");
        return;
    }
    /* All are checked before the first is played. */
    for (uint16_t shot = 0; shot < shots; shot++) {
        const uint8_t *drives = payload + (size_t)shot * TWINPROP_INPUT_BYTES;
        if (TWINPROP_INPUT_STEPS && !cells_end(drives)) {
            refuse(header, WRONG_SHAPE, "a bit stands behind the last cell");
            return;
        }
        if (!drives_fit(drives, device->inputs)) {
            refuse(header, OUT_OF_RANGE, "a drive is out of its range");
            return;
        }
    }
    begin(header, HAS_RASTER ? MEASURED_SPIKES : MEASURED);
    set16(body + CHANNELS, OUTPUT_CHANNELS);
    is_safe = 0;
    driven = 1;
    for (uint16_t shot = 0; shot < shots; shot++) {
        const twinprop_drive *drives = drives_at(payload + (size_t)shot * TWINPROP_INPUT_BYTES);
        if (device->measure(drives, parameters, readings_at(body + length))) {
            make_safe();
            if (is_safe)
                refuse(header, FAULT, "the measurement failed");
            else
                refuse(header, SAFE_FAILED, safe_failure);
            return;
        }
        shots_played++;
        end_readings(body + length);
        length += TWINPROP_OUTPUT_BYTES;
    }
}

static void take_in_order(const uint8_t *header, const uint8_t *payload, size_t size)
{
    uint32_t sequence = get32(header + SEQUENCE), ahead = sequence - expected;
    if (!session || get16(header + SESSION) != session) {
        refuse(header, NO_SESSION, "the session is not open");
        send();
    } else if (!ahead) {
        expected++;
        if (header[KIND] == CONFIGURE) {
            configure(header, payload, size);
        } else if (header[KIND] != (HAS_RASTER ? PLAY_SPIKES : PLAY)) {
            refuse(header, UNKNOWN, HAS_RASTER ? "this board takes spikes" : "this board has no twin and no raster");
        } else {
            begin_work(header);
            play(header, payload, size);
            end_work();
        }
        answer();
    } else if (ahead < 0x7fffffff) {
        memset(body, 0, HEADER);
        body[0] = VERSION;
        body[KIND] = NAK;
        set16(body + SESSION, session);
        length = SEQUENCE;
        put32(expected);
        length = HEADER;
        send();
    } else {
        for (size_t i = 0; i < TWINPROP_WINDOW; i++)
            if (answers[i].length && answers[i].sequence == sequence)
                send_body(answers[i].body, answers[i].length);
    }
}

static void take(const uint8_t *frame, size_t size)
{
    const uint8_t *payload = frame + HEADER;
    if (size < HEADER + CHECKSUM || frame[0] != VERSION)
        return;
    size -= CHECKSUM;
    if (crc32_of(frame, size) != get32(frame + size))
        return;
    size -= HEADER;
    heard = device->milliseconds();
    switch (frame[KIND]) {
    case HELLO:
        greet(frame);
        break;
    case DESCRIBE:
        if (size == 4)
            describe(frame, get32(payload));
        break;
    case OPEN:
        if (size == 4 && get32(payload) == device->boot)
            open_session(frame);
        break;
    case PING:
        health(frame);
        break;
    case SAFE:
        epoch = incoming_epoch = 0;
        if (!is_safe) {
            begin_work(frame);
            make_safe();
            end_work();
        }
        if (is_safe)
            begin(frame, SAFE_REPLY);
        else
            refuse(frame, SAFE_FAILED, safe_failure);
        send();
        break;
    case CONFIGURE:
    case PLAY:
    case PLAY_SPIKES:
    case PREDICT:
    case VJP:
        take_in_order(frame, payload, size);
        break;
    default:
        break;
    }
}

void twinprop_begin(const struct twinprop_device *of)
{
    device = of;
    received_length = 0;
    session = 0;
    trips = 0;
    shots_played = 0;
    is_working = 0;
    working_on[0] = 0;
    forget_session();
    make_safe();
    heard = device->milliseconds();
}

void twinprop_receive(uint8_t byte)
{
    if (is_working)
        return; /* measure() and safe() still need the frame that is there */
    if (byte) {
        /* One more than any frame has marks what is too long. */
        if (received_length < sizeof received)
            received[received_length] = byte;
        if (received_length <= sizeof received)
            received_length++;
        return;
    }
    if (received_length && received_length <= sizeof received)
        take(received, unstuff(received, received_length));
    received_length = 0;
}

void twinprop_watch(void)
{
    if (is_working)
        return; /* called in measure() or safe(), where no frame can come */
    if (device->watchdog_ms && !is_safe && device->milliseconds() - heard > device->watchdog_ms) {
        trips += driven;
        make_safe();
        heard = device->milliseconds(); /* where it failed, it is tried again in that time */
    }
}

void twinprop_busy(void)
{
    uint32_t now = device->milliseconds();
    if (!is_working || !working_on[0] || now - busy_said < BUSY_PERIOD)
        return;
    busy_said = now;
    send_body(working_on, HEADER);
}

void twinprop_safe_failed(const char *why)
{
    safe_failure = why ? why : "";
}
