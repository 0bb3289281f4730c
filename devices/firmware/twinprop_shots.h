/* The drives and readings of a shot in a frame, for twinprop_rig.c: 32-bit floats, or the cells of a raster in bits.
 * Of a raster nothing is copied: measure() reads the frame that came and writes the answer. */
#ifndef TWINPROP_SHOTS_H
#define TWINPROP_SHOTS_H

#include <string.h>

#include "twinprop_frame.h"
#include "twinprop_rig.h"

/* What a header says of a shot: lines of a raster, values otherwise. */
#if TWINPROP_INPUT_STEPS
enum { INPUT_CHANNELS = TWINPROP_INPUTS / TWINPROP_INPUT_STEPS };
#else
enum { INPUT_CHANNELS = TWINPROP_INPUTS };
#endif
#if TWINPROP_OUTPUT_STEPS
enum { OUTPUT_CHANNELS = TWINPROP_OUTPUTS / TWINPROP_OUTPUT_STEPS };
#else
enum { OUTPUT_CHANNELS = TWINPROP_OUTPUTS };
#endif
enum { HAS_RASTER = TWINPROP_INPUT_STEPS || TWINPROP_OUTPUT_STEPS };

static float get_float(const uint8_t *at)
{
    uint32_t bits = get32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int in_range(float value, struct twinprop_range range)
{
    /* Not a number is in no range. */
    return range.minimum <= value && value <= range.maximum;
}

/* Bits behind the last of so many cells, in its byte. */
static uint8_t behind(size_t cells) { return (uint8_t)(cells % 8 ? 0xff << cells % 8 : 0); }

/* Whether no bit stands behind the last cell of the drives, if they are a raster. */
static int cells_end(const uint8_t *at) { return !(at[TWINPROP_INPUT_BYTES - 1] & behind(TWINPROP_INPUTS)); }

#if TWINPROP_INPUT_STEPS

/* A bit is 0 or 1. */
static int drives_fit(const uint8_t *at, const struct twinprop_range *ranges)
{
    (void)at, (void)ranges;
    return 1;
}

static const uint8_t *drives_at(const uint8_t *at) { return at; }

#else

static int drives_fit(const uint8_t *at, const struct twinprop_range *ranges)
{
    for (size_t i = 0; i < TWINPROP_INPUTS; i++)
        if (!in_range(get_float(at + 4 * i), ranges[i]))
            return 0;
    return 1;
}

static const float *drives_at(const uint8_t *at)
{
    static float drives[TWINPROP_INPUTS];
    for (size_t i = 0; i < TWINPROP_INPUTS; i++)
        drives[i] = get_float(at + 4 * i);
    return drives;
}

#endif

/* Where measure() writes the readings that end_readings puts to `at`. */
#if TWINPROP_OUTPUT_STEPS

static uint8_t *readings_at(uint8_t *at) { return memset(at, 0, TWINPROP_OUTPUT_BYTES); }

static void end_readings(uint8_t *at) { at[TWINPROP_OUTPUT_BYTES - 1] &= (uint8_t)~behind(TWINPROP_OUTPUTS); }

#else

static float readings[TWINPROP_OUTPUTS];

static float *readings_at(uint8_t *at)
{
    (void)at;
    return readings;
}

static void end_readings(uint8_t *at)
{
    for (size_t i = 0; i < TWINPROP_OUTPUTS; i++) {
        uint32_t bits;
        memcpy(&bits, &readings[i], sizeof bits);
        set16(at + 4 * i, (uint16_t)bits);
        set16(at + 4 * i + 2, (uint16_t)(bits >> 16));
    }
}

#endif
#endif
