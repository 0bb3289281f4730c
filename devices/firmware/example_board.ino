// A board with two PWM outputs as drives, one as a parameter, and one analog input.
// Put twinprop_rig.h, twinprop_rig.c, twinprop_frame.h and twinprop_shots.h beside this sketch.
#include <EEPROM.h>
extern "C" {
#include "twinprop_rig.h"
}

static const twinprop_range inputs[] = {{0, 5}, {0, 5}};
static const twinprop_range parameters[] = {{0, 5}};
static const int drive_pins[] = {5, 6}, parameter_pin = 9, sense_pin = A0;

static int measure(const float *x, const float *p, float *y)
{
    for (int i = 0; i < 2; i++)
        analogWrite(drive_pins[i], (int)(x[i] * 51 + 0.5f));
    analogWrite(parameter_pin, (int)(p[0] * 51 + 0.5f));
    // Longer than a quarter of a second? Then in a loop that calls twinprop_busy().
    delay(2);
    y[0] = analogRead(sense_pin) * (5.0f / 1023);
    return 0;
}

static void safe()
{
    analogWrite(drive_pins[0], 0);
    analogWrite(drive_pins[1], 0);
    analogWrite(parameter_pin, 0);
}

static void write(const uint8_t *bytes, size_t count) { Serial.write(bytes, count); }

static uint32_t milliseconds() { return millis(); }

static twinprop_device board = {
    "{\"name\":\"board\",\"serial_number\":\"1\",\"firmware\":\"1\",\"interface\":{"
    "\"device\":\"board\","
    "\"inputs\":[{\"name\":\"drive\",\"count\":2,\"unit\":\"V\",\"minimum\":0,\"maximum\":5}],"
    "\"parameters\":[{\"name\":\"bias\",\"count\":1,\"unit\":\"V\",\"minimum\":0,\"maximum\":5}],"
    "\"outputs\":[{\"name\":\"sense\",\"count\":1,\"unit\":\"V\",\"minimum\":0,\"maximum\":5}],"
    "\"seconds_per_shot\":0.003}}",
    inputs, parameters, 0, 2000, 0, measure, safe, write, milliseconds,
};

void setup()
{
    uint32_t boots;
    EEPROM.get(0, boots);
    EEPROM.put(0, ++boots);
    board.boot = boots;
    Serial.begin(115200);
    twinprop_begin(&board);
}

void loop()
{
    while (Serial.available())
        twinprop_receive(Serial.read());
    twinprop_watch();
}
