/* The device's end of twinprop's wire protocol (devices/PROTOCOL.md) for microcontrollers.
 *
 * No allocation, no floating point but the values themselves, one device a program. Give the sizes
 * on the compiler's command line or before the include, fill in a struct twinprop_device, call
 * twinprop_begin once, twinprop_receive for every byte that comes, and twinprop_watch in the loop.
 * Anything before the first whole frame (a modem manager's AT commands) is ignored. Beside this file are
 * twinprop_rig.c, to be compiled, and twinprop_frame.h and twinprop_shots.h, which it includes.
 *
 * measure() and safe() may take their time, if they call twinprop_busy() at least every quarter of a
 * second; the host waits as long as it hears that:
 *
 *     static int measure(const float *x, const float *p, float *y)
 *     {
 *         start_exposure(x, p);
 *         while (!exposed())
 *             twinprop_busy();
 *         ...
 *
 * A safe state is reached when safe() has returned. Where it finds that a drive is still on, it says so by
 * twinprop_safe_failed(), and the host is told; the device tries again when it is asked again, and
 * whenever its watchdog trips. A safe state that takes more than 10 s has "safe_seconds" in the
 * description.
 *
 * Spikes: with TWINPROP_INPUT_STEPS the inputs are one raster of so many steps, TWINPROP_INPUTS cells in all,
 * step after step, with a cell for each line, and "steps" in the description. measure() then gets them as they
 * come, a bit a cell (twinprop_drive is uint8_t), and reads them by twinprop_cell(); their ranges may be NULL.
 * With TWINPROP_OUTPUT_STEPS it sets the cells that have a spike by twinprop_spike(); all are 0 before.
 * Such a board takes the drives as spikes alone, which every host sends that knows what a raster is.
 *
 * A board has no digital twin: predict and vjp are answered by error 6, unknown request.
 *
 * RAM: about (TWINPROP_WINDOW + 3) * TWINPROP_FRAME bytes and 4 a channel, none for the cells of rasters.
 */
#ifndef TWINPROP_RIG_H
#define TWINPROP_RIG_H

#include <stddef.h>
#include <stdint.h>

#ifndef TWINPROP_INPUTS
#define TWINPROP_INPUTS 2
#endif
#ifndef TWINPROP_PARAMETERS
#define TWINPROP_PARAMETERS 1
#endif
#ifndef TWINPROP_OUTPUTS
#define TWINPROP_OUTPUTS 1
#endif
/* Steps of a raster; 0 for channels that are none. */
#ifndef TWINPROP_INPUT_STEPS
#define TWINPROP_INPUT_STEPS 0
#endif
#ifndef TWINPROP_OUTPUT_STEPS
#define TWINPROP_OUTPUT_STEPS 0
#endif
/* Largest frame in bytes, 64 to 65535: it must hold a shot's inputs and a shot's outputs. */
#ifndef TWINPROP_FRAME
#define TWINPROP_FRAME 128
#endif
/* Frames whose answers are remembered. */
#ifndef TWINPROP_WINDOW
#define TWINPROP_WINDOW 2
#endif

/* Room for shots in a frame: frame, two zeros, a code byte in 255, header of 16, checksum of 4. */
#define TWINPROP_PAYLOAD (TWINPROP_FRAME - 2 - (TWINPROP_FRAME - 2 + 254) / 255 - 16 - 4)
/* Bytes of a shot in a frame, and type of its values. */
#if TWINPROP_INPUT_STEPS
#define TWINPROP_INPUT_BYTES ((TWINPROP_INPUTS + 7) / 8)
typedef uint8_t twinprop_drive;
#else
#define TWINPROP_INPUT_BYTES (4 * TWINPROP_INPUTS)
typedef float twinprop_drive;
#endif
#if TWINPROP_OUTPUT_STEPS
#define TWINPROP_OUTPUT_BYTES ((TWINPROP_OUTPUTS + 7) / 8)
typedef uint8_t twinprop_reading;
#else
#define TWINPROP_OUTPUT_BYTES (4 * TWINPROP_OUTPUTS)
typedef float twinprop_reading;
#endif
#if TWINPROP_PAYLOAD < TWINPROP_INPUT_BYTES || TWINPROP_PAYLOAD < TWINPROP_OUTPUT_BYTES || \
    TWINPROP_PAYLOAD < 32
#error "TWINPROP_FRAME is too small for a shot"
#endif
#if TWINPROP_INPUT_STEPS && TWINPROP_INPUTS % TWINPROP_INPUT_STEPS || \
    TWINPROP_OUTPUT_STEPS && TWINPROP_OUTPUTS % TWINPROP_OUTPUT_STEPS
#error "a raster has as many cells in each step"
#endif

/* The range of a channel; nothing outside it reaches the hardware. */
struct twinprop_range {
    float minimum, maximum;
};

struct twinprop_device {
    /* JSON as in PROTOCOL.md, ended by a zero; it may lie in flash that is read as memory. */
    const char *description;
    const struct twinprop_range *inputs;     /* TWINPROP_INPUTS of them */
    const struct twinprop_range *parameters; /* TWINPROP_PARAMETERS of them */
    uint32_t boot;        /* another number at every start: a counter in EEPROM, noise of an ADC */
    uint32_t watchdog_ms; /* without a frame for so long the device goes safe; 0 is never */
    uint8_t stateful;     /* whether a shot's outcome depends on the shots before it */
    /* Plays one shot; 0, or anything else where it failed. */
    int (*measure)(const twinprop_drive *inputs, const float *parameters, twinprop_reading *outputs);
    /* Turns every drive off, and returns when they are. It runs at the start, when the host asks for it,
     * when measure() fails, and when the watchdog trips; not again before the next shot. */
    void (*safe)(void);
    void (*write)(const uint8_t *bytes, size_t count);
    uint32_t (*milliseconds)(void);
};

/* Whether a cell of a raster has a spike; gives it one. Line `line` in step `step` is cell step * lines + line. */
static inline int twinprop_cell(const uint8_t *raster, size_t cell) { return raster[cell / 8] >> cell % 8 & 1; }
static inline void twinprop_spike(uint8_t *raster, size_t cell) { raster[cell / 8] |= (uint8_t)(1 << cell % 8); }

/* Forgets all, and goes to the safe state. */
void twinprop_begin(const struct twinprop_device *device);
/* Takes a byte from the host; where it ends a frame, does what the frame asks for and answers it. What is
 * given to it inside measure() or safe() is dropped, and the host sends it again. */
void twinprop_receive(uint8_t byte);
/* Goes to the safe state if no frame has come for as long as the watchdog says; inside measure() and safe()
 * it does nothing. */
void twinprop_watch(void);
/* In measure() or safe(): tells the host, at most five times a second, that the device is at work on what it
 * asked for. A safe state that no frame asked for (at the start, by the watchdog) is silent. */
void twinprop_busy(void);
/* In safe(): the device may still be driven. `why` is for people and must last, as a literal does. */
void twinprop_safe_failed(const char *why);

#endif
