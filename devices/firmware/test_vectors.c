/* Plays a conversation (devices/vectors/conversation.txt, on standard input) to the firmware's
 * protocol: what it answers must be what the file says. With `fuzz N` it reads no file and takes N
 * random or damaged frames instead, for the sanitizers to watch. */
#include "twinprop_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t sent[1 << 14];
static size_t sent_length;

static int measure(const float *x, const float *p, float *y)
{
    y[0] = x[0] + 2 * x[1] + p[0];
    return 0;
}

static void safe(void) {}

static void write_bytes(const uint8_t *bytes, size_t count)
{
    if (sent_length + count > sizeof sent)
        sent_length = 0;
    memcpy(sent + sent_length, bytes, count);
    sent_length += count;
}

static uint32_t milliseconds(void) { return 0; }

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

int main(int count, char **arguments)
{
    static char line[1 << 12], description[1 << 12];
    static uint8_t bytes[1 << 11], given[1 << 11], wanted[1 << 11];
    size_t at = 0;
    unsigned number = 0, answers = 0;
    if (count == 3 && !strcmp(arguments[1], "fuzz"))
        return fuzz(strtoul(arguments[2], NULL, 10));
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
