/* Plays a conversation (devices/vectors, on standard input) to the firmware's protocol: what it answers must be
 * what the file says. The device of spikes.txt, 9 cells in 3 steps, and of counts.txt, with 3 readings that are
 * no raster, are chosen when this is compiled. With `fuzz N` it reads no file and takes N
 * random or damaged frames instead, for the sanitizers to watch. With `work` the hardware takes its time,
 * and fails. */
#include "twinprop_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t sent[1 << 14];
static size_t sent_length;

/* Hardware that takes its time, on a clock of its own, and fails where it is told to. */
static uint32_t clock_ms, measure_takes, safe_takes, shots_measured, safe_runs;
static int measure_fails;
static const char *safe_fails;
/* The frame that comes while the hardware is at work; it is dropped. */
static uint8_t early[160];
static size_t early_length;

static void work(uint32_t time)
{
    for (uint32_t done = 0; done < time; done += 50) {
        clock_ms += 50;
        twinprop_busy();
        twinprop_watch();
        for (size_t i = 0; i < early_length; i++)
            twinprop_receive(early[i]);
    }
}

static int measure(const twinprop_drive *x, const float *p, twinprop_reading *y)
{
    shots_measured++;
    work(measure_takes);
#if TWINPROP_OUTPUT_STEPS
    for (size_t i = 0; i < 9; i++)
        if (i < 3 ? p[0] > 0.5f : twinprop_cell(x, i - 3))
            twinprop_spike(y, i);
    y[1] |= 0x80; /* behind the last cell; it is not sent */
#elif TWINPROP_INPUT_STEPS
    for (size_t i = 0; i < 3; i++)
        y[i] = p[0] + (float)(twinprop_cell(x, i) + twinprop_cell(x, i + 3) + twinprop_cell(x, i + 6));
#else
    y[0] = x[0] + 2 * x[1] + p[0];
#endif
    return measure_fails;
}

static void safe(void)
{
    safe_runs++;
    work(safe_takes);
    if (safe_fails)
        twinprop_safe_failed(safe_fails);
}

static void write_bytes(const uint8_t *bytes, size_t count)
{
    if (sent_length + count > sizeof sent)
        sent_length = 0;
    memcpy(sent + sent_length, bytes, count);
    sent_length += count;
}

static uint32_t milliseconds(void) { return clock_ms; }

static const struct twinprop_range inputs[] = {{-1, 1}, {-1, 1}}, parameters[] = {{0, 1}};
static struct twinprop_device oracle = {
    "", inputs, parameters, 7, 2000, 0, measure, safe, write_bytes, milliseconds,
};

static size_t from_hex(const char *text, uint8_t *bytes)
{
    size_t count = 0;
    for (unsigned byte; sscanf(text, "%2x", &byte) == 1; text += 2)
        bytes[count++] = (uint8_t)byte;
    return count;
}

/* Whether the frames begin alike up to an error's code: zero, code byte and 18 bytes; the text
 * behind it is each implementation's own. Stuffing lets the first blocks differ in their length. */
static size_t unstuffed(const uint8_t *wire, size_t count, uint8_t *out)
{
    size_t from = 1, to = 0;
    while (from < count && wire[from]) {
        uint8_t code = wire[from++];
        for (uint8_t i = 1; i < code; i++)
            out[to++] = wire[from++];
        if (code < 255 && wire[from])
            out[to++] = 0;
    }
    return to;
}

static uint32_t state = 1;

static uint32_t draw(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static int fuzz(unsigned long rounds)
{
    static uint8_t frames[64][256];
    static size_t lengths[64];
    size_t known = 0;
    char line[1 << 12];
    twinprop_begin(&oracle);
    while (known < 64 && fgets(line, sizeof line, stdin))
        if (line[0] == '>')
            lengths[known] = from_hex(line + 2, frames[known]), known++;
    for (unsigned long round = 0; round < rounds; round++) {
        if (known && draw() % 4) {
            size_t which = draw() % known;
            for (size_t i = 0; i < lengths[which]; i++) {
                uint8_t byte = frames[which][i];
                if (draw() % 32 == 0)
                    byte ^= (uint8_t)(1u << draw() % 8);
                if (draw() % 64)
                    twinprop_receive(byte);
            }
        } else {
            for (uint32_t i = draw() % 200; i; i--)
                twinprop_receive((uint8_t)draw());
        }
        sent_length = 0;
    }
    printf("%lu rounds\n", rounds);
    return 0;
}

/* Writes a host's frame to `wire`; its length. */
static size_t asked(uint8_t *wire, uint8_t kind, uint32_t sequence, uint16_t shots, uint16_t channels,
                    const void *payload, size_t size)
{
    uint8_t frame[128] = {1, kind, 1, 0, (uint8_t)sequence};
    size_t length = 16 + size, end = 2, code_at = 1;
    uint32_t crc = 0xffffffff;
    frame[10] = (uint8_t)shots;
    frame[12] = (uint8_t)channels;
    frame[14] = 1; /* the only setting */
    if (size)
        memcpy(frame + 16, payload, size);
    for (size_t i = 0; i < length; i++) {
        crc ^= frame[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    for (int i = 0; i < 4; i++)
        frame[length++] = (uint8_t)(~crc >> 8 * i);
    /* Fewer than 254 bytes: each zero is the distance to the next. */
    for (size_t i = 0; i < length; i++, end++)
        if (frame[i]) {
            wire[end] = frame[i];
        } else {
            wire[code_at] = (uint8_t)(end - code_at);
            code_at = end;
        }
    wire[code_at] = (uint8_t)(end - code_at);
    wire[0] = wire[end++] = 0;
    return end;
}

/* Sends the device a frame, and keeps what it answers in `sent`. */
static void ask(uint8_t kind, uint32_t sequence, uint16_t shots, uint16_t channels, const void *payload,
                size_t size)
{
    uint8_t wire[160];
    size_t length = asked(wire, kind, sequence, shots, channels, payload, size);
    sent_length = 0;
    for (size_t i = 0; i < length; i++)
        twinprop_receive(wire[i]);
}

/* The bytes of answer `number` to the last frame, or zeros. */
static const uint8_t *answer_of(unsigned number)
{
    static uint8_t frame[1 << 11];
    size_t at = 0, end = 0;
    memset(frame, 0, sizeof frame);
    for (; at < sent_length; number--, at = end + 1) {
        for (end = at + 1; end < sent_length && sent[end]; end++)
            ;
        if (!number) {
            unstuffed(sent + at, end + 1 - at, frame);
            break;
        }
    }
    return frame;
}

/* How many busy frames stand before the answer proper: each of frame `sequence`, as it was asked. */
static unsigned busy_frames(uint8_t sequence, uint8_t shots)
{
    unsigned count = 0;
    for (;; count++) {
        const uint8_t *frame = answer_of(count);
        if (frame[1] != 0xfd || frame[0] != 1 || frame[2] != 1 || frame[4] != sequence || frame[10] != shots ||
            frame[14] != 1)
            return count;
    }
}

static uint16_t kind_and_code(unsigned number)
{
    const uint8_t *frame = answer_of(number);
    return (uint16_t)(frame[1] << 8 | (frame[1] == 0xff ? frame[16] : 0));
}

enum { IS_SAFE = 0x8800, IS_MEASURED = 0x8500, HAS_FAULT = 0xff05, SAFE_HAS_FAILED = 0xff07 };

static const uint8_t boot[] = {7, 0, 0, 0}, setting[] = {0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x3f};
static const uint8_t zeros[64];

/* A new start, a session, and the parameter. */
static void start(void)
{
    measure_takes = safe_takes = 0;
    measure_fails = 0;
    safe_fails = NULL;
    twinprop_begin(&oracle);
    safe_runs = shots_measured = 0;
    early_length = asked(early, 7, 0, 0, 0, NULL, 0); /* a ping */
    ask(3, 0, 0, 0, boot, sizeof boot);
    ask(4, 0, 0, 1, setting, sizeof setting);
}

static void play(uint8_t shots) { ask(5, 1, shots, 2, zeros, 8u * shots); }

static void ask_safe(void) { ask(8, 9, 0, 0, NULL, 0); }

/* Whether the state's answer says safe, and how often the watchdog has tripped. */
static int state_is(uint8_t safe_state, uint8_t trips)
{
    ask(7, 0, 0, 0, NULL, 0);
    const uint8_t *frame = answer_of(0);
    return frame[1] == 0x87 && frame[20] == safe_state && frame[28] == trips;
}

static void wait_and_watch(uint32_t time)
{
    clock_ms += time;
    twinprop_watch();
    twinprop_watch();
}

static unsigned checks;

#define CHECK(what)                                                                                \
    do {                                                                                           \
        checks++;                                                                                  \
        if (!(what)) {                                                                             \
            printf("test_vectors.c:%d: not so: %s\n", __LINE__, #what);                            \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

/* What a host sends while the device goes to a safe state that no frame asked for is dropped, and so are
 * the parameters and shots that would drive it again on its way. */
static int frames_on_the_way_to_the_safe_state(void)
{
    for (uint8_t kind = 1; kind <= 8; kind++) {
        start();
        play(1);
        if (kind == 5) {
            early_length = asked(early, 4, 2, 0, 1, setting, sizeof setting);
            early_length += asked(early + early_length, 5, 3, 1, 2, zeros, 8);
        } else {
            early_length = asked(early, kind, 2, 0, kind == 4, kind == 3 ? boot : setting,
                                 kind == 4 ? 12 : 4u * (kind == 2 || kind == 3));
        }
        safe_takes = 1000;
        sent_length = 0;
        wait_and_watch(2001);
        CHECK(safe_runs == 1 && shots_measured == 1 && sent_length == 0);
        CHECK(state_is(1, 1));
        play(1);
        CHECK(kind_and_code(0) == IS_MEASURED && shots_measured == 1); /* from memory */

        sent_length = 0;
        twinprop_begin(&oracle);
        CHECK(safe_runs == 2 && shots_measured == 1 && sent_length == 0 && state_is(1, 0));
    }
    return 0;
}

static int work_that_takes_time_and_fails(void)
{
    static uint8_t late[] = {0, 1};
    clock_ms = 100000;
    /* The start turns the drives off; the host's word finds that done. */
    twinprop_begin(&oracle);
    CHECK(safe_runs == 1 && sent_length == 0);
    ask_safe();
    CHECK(safe_runs == 1 && kind_and_code(0) == IS_SAFE);

    /* Two shots of 3 s each: busy in every quarter of a second. The watchdog of 2 s counts from the end of
     * the work, when the host can be heard again. */
    start();
    CHECK(state_is(1, 0));
    measure_takes = 3000;
    play(2);
    unsigned busy = busy_frames(1, 2);
    CHECK(busy >= 24 && busy <= 30 && kind_and_code(busy) == IS_MEASURED);
    CHECK(answer_of(busy)[18] == 0 && answer_of(busy)[19] == 0x3f);
    wait_and_watch(1900);
    CHECK(safe_runs == 0 && state_is(0, 0));
    wait_and_watch(2001);
    CHECK(safe_runs == 1 && state_is(1, 1));

    /* A ramp of a second: one run, busy, then the word. Asked for again there is no run. */
    start();
    play(1);
    CHECK(kind_and_code(0) == IS_MEASURED && busy_frames(1, 1) == 0);
    safe_takes = 1000;
    ask_safe();
    busy = busy_frames(9, 0);
    CHECK(safe_runs == 1 && busy >= 4 && kind_and_code(busy) == IS_SAFE);
    ask_safe();
    CHECK(safe_runs == 1 && kind_and_code(0) == IS_SAFE && state_is(1, 0));

    /* Not reached: error 7 with its text, no safe state, and another try whenever it is asked for, and
     * in the watchdog's time, which counts what was driven once. */
    start();
    play(1);
    safe_fails = "the relay is stuck";
    ask_safe();
    CHECK(safe_runs == 1 && kind_and_code(0) == SAFE_HAS_FAILED);
    CHECK(!memcmp(answer_of(0) + 18, safe_fails, strlen(safe_fails)) && state_is(0, 0));
    ask_safe();
    CHECK(safe_runs == 2 && kind_and_code(0) == SAFE_HAS_FAILED);
    wait_and_watch(2001);
    CHECK(safe_runs == 3 && state_is(0, 0));
    safe_fails = NULL;
    wait_and_watch(2001);
    CHECK(safe_runs == 4 && state_is(1, 0));
    wait_and_watch(9000);
    CHECK(safe_runs == 4);

    /* A measurement that fails is error 5, and error 7 where that leaves the device driven. */
    start();
    measure_fails = 1;
    play(1);
    CHECK(kind_and_code(0) == HAS_FAULT && safe_runs == 1 && state_is(1, 0));
    start();
    measure_fails = 1;
    safe_fails = "the relay is stuck";
    play(1);
    CHECK(kind_and_code(0) == SAFE_HAS_FAILED && state_is(0, 0));

    /* Out of work there is nothing to be busy with. */
    sent_length = 0;
    clock_ms += 1000;
    twinprop_busy();
    CHECK(sent_length == 0);
    for (size_t i = 0; i < sizeof late; i++)
        twinprop_receive(late[i]);
    CHECK(sent_length == 0);
    return 0;
}

int main(int count, char **arguments)
{
    static char line[1 << 12], description[1 << 12];
    static uint8_t bytes[1 << 11], given[1 << 11], wanted[1 << 11];
    size_t at = 0;
    unsigned number = 0, answers = 0;
    if (count == 3 && !strcmp(arguments[1], "fuzz"))
        return fuzz(strtoul(arguments[2], NULL, 10));
    if (count == 2 && !strcmp(arguments[1], "work"))
        return work_that_takes_time_and_fails() || frames_on_the_way_to_the_safe_state() ||
               printf("%u checks\n", checks) < 0;
    while (fgets(line, sizeof line, stdin)) {
        number++;
        line[strcspn(line, "\r\n")] = 0;
        if (line[0] == 'd') {
            strcpy(description, line + 2);
            oracle.description = description;
            twinprop_begin(&oracle);
        } else if (line[0] == '>') {
            if (at != sent_length) {
                printf("line %u: more was answered than is expected\n", number);
                return 1;
            }
            at = sent_length = 0;
            size_t length = from_hex(line + 2, bytes);
            for (size_t i = 0; i < length; i++)
                twinprop_receive(bytes[i]);
        } else if (line[0] == '<' || line[0] == '~') {
            size_t length = from_hex(line + 2, bytes), end = at + 1;
            while (end < sent_length && sent[end])
                end++;
            size_t got = end + 1 - at;
            int same = at < sent_length;
            if (same && line[0] == '<')
                same = got == length && !memcmp(sent + at, bytes, length);
            else if (same)
                same = unstuffed(sent + at, got, given) >= 18 &&
                       unstuffed(bytes, length, wanted) >= 18 && !memcmp(given, wanted, 18);
            if (!same) {
                printf("line %u: another answer\n", number);
                return 1;
            }
            at = end + 1;
            answers++;
        }
    }
    printf("%u answers as expected\n", answers);
    return answers ? 0 : 1;
}
