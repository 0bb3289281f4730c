/* Bytes of a frame, for twinprop_rig.c: little-endian numbers, the checksum, the stuffing. */
#ifndef TWINPROP_FRAME_H
#define TWINPROP_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum { CHECKSUM = 4 };

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }

static uint32_t get32(const uint8_t *at) { return get16(at) | (uint32_t)get16(at + 2) << 16; }

static void set16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

/* CRC-32/ISO-HDLC, a nibble at a time. */
static uint32_t crc32_of(const uint8_t *bytes, size_t count)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < count; i++) {
        crc = table[(crc ^ bytes[i]) & 15] ^ crc >> 4;
        crc = table[(crc ^ (uint32_t)(bytes[i] >> 4)) & 15] ^ crc >> 4;
    }
    return ~crc;
}

/* Writes the frame of `count` bytes, with their checksum behind them, to `wire`; its length. */
static size_t frame_of(const uint8_t *bytes, size_t count, uint8_t *wire)
{
    uint8_t sum[CHECKSUM];
    uint32_t crc = crc32_of(bytes, count);
    set16(sum, (uint16_t)crc);
    set16(sum + 2, (uint16_t)(crc >> 16));
    size_t end = 1, code_at = end++;
    uint8_t code = 1;
    wire[0] = 0;
    for (size_t i = 0; i < count + CHECKSUM; i++) {
        uint8_t byte = i < count ? bytes[i] : sum[i - count];
        if (byte) {
            wire[end++] = byte;
            code++;
        }
        /* A full block needs no next one at the end. */
        if (!byte || (code == 255 && i + 1 < count + CHECKSUM)) {
            wire[code_at] = code;
            code_at = end++;
            code = 1;
        }
    }
    wire[code_at] = code;
    wire[end++] = 0;
    return end;
}

/* Undoes the stuffing in place; 0 where the bytes are none. */
static size_t unstuff(uint8_t *bytes, size_t count)
{
    size_t from = 0, to = 0;
    while (from < count) {
        uint8_t code = bytes[from++];
        if (!code || from + code - 1u > count)
            return 0;
        for (uint8_t i = 1; i < code; i++)
            bytes[to++] = bytes[from++];
        if (code < 255 && from < count)
            bytes[to++] = 0;
    }
    return to;
}

#endif
