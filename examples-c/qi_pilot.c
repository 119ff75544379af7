/* Calls the robot of qi_robot.c, on this machine or at the address that is given. The same program is there in Rust and in Python.
 *
 * Build:  cc -o qi_pilot qi_pilot.c -lnanomsg && cc -o qi_robot qi_robot.c -lnanomsg
 * Leave:  sleep 1000 | ./qi_robot tcp://127.0.0.1:9559
 * Run:    until ./qi_pilot tcp://127.0.0.1:9559 2> /dev/null; do sleep 0.1; done
 *         | walked to 2.5
 *         | a route of 4.5
 *         | battery 75
 *         | charged to 100
 *         | sensor head 0.5
 *         | sensor position 2.5
 *         | it said hello
 *         | the left arm is at 0.5
 *         | refused: backwards
 *         | refused: no such arm
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <millrace/qi.h>

/* Whatever fails ends the program. */
static uint64_t need(uint64_t handle) {
    if (handle == 0) {
        fprintf(stderr, "%s\n", nnqi_error());
        exit(1);
    }
    return handle;
}

static double number(nnqi_value value) {
    double number = 0;
    if (nnqi_unpack(need(value), "d", &number) < 0)
        need(0);
    nnqi_free(value);
    return number;
}

int main(int argc, char **argv) {
    nnqi_session session = need(nnqi_connect(argc > 1 ? argv[1] : "tcp://127.0.0.1:9559", NULL));
    nnqi_proxy robot = need(nnqi_service(session, "Robot", 0));
    nnqi_subscription said = need(nnqi_subscribe(robot, "said", 10));
    printf("walked to %g\n", number(nnqi_call(robot, "walk", nnqi_pack("(d)", 2.5), -1)));
    printf("a route of %g\n", number(nnqi_call(robot, "route", nnqi_from_json("[[[1.5, 2.0], [0.0, 1.0]]]", "([(dd)])"), -1)));
    printf("battery %g\n", number(nnqi_property_get(robot, "battery")));
    nnqi_property_set(robot, "battery", nnqi_pack("i", 100));
    printf("charged to %g\n", number(nnqi_property_get(robot, "battery")));
    nnqi_value sensors = need(nnqi_call(robot, "sensors", nnqi_pack("()"), -1));
    for (int64_t at = 0; at < nnqi_count(sensors); at++) {
        nnqi_value key = nnqi_map_key(sensors, (size_t)at);
        printf("sensor %s %g\n", nnqi_get_text(key), number(nnqi_map_value(sensors, (size_t)at)));
        nnqi_free(key);
    }
    nnqi_free(need(nnqi_call(robot, "say", nnqi_pack("(s)", "hello"), -1)));
    const char *text = NULL;
    nnqi_value event = need(nnqi_next(said, 10000, NULL));
    nnqi_unpack(event, "(s)", &text);
    printf("it said %s\n", text);
    nnqi_value object = need(nnqi_call(robot, "arm", nnqi_pack("(s)", "left"), -1));
    nnqi_proxy arm = need(nnqi_proxy_of(object));
    nnqi_value side = need(nnqi_call(arm, "name", nnqi_pack("()"), -1));
    printf("the %s arm is at %g\n", nnqi_get_text(side), number(nnqi_call(arm, "lift", nnqi_pack("(d)", 0.5), -1)));
    if (!nnqi_call(robot, "walk", nnqi_pack("(d)", -1.0), -1))
        printf("refused: %s\n", strstr(nnqi_error(), "backwards") ? "backwards" : "no such arm");
    if (!nnqi_call(robot, "arm", nnqi_pack("(s)", "third"), -1))
        printf("refused: %s\n", strstr(nnqi_error(), "backwards") ? "backwards" : "no such arm");
    nnqi_value values[] = {sensors, event, object, side};
    for (int at = 0; at < 4; at++)
        nnqi_free(values[at]);
    return nnqi_unsubscribe(said) | nnqi_proxy_free(arm) | nnqi_proxy_free(robot) | nnqi_close(session);
}
