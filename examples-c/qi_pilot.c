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
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <millrace/qi.h>

int main(int argc, char **argv) {
    nnqi_session session = nnqi_connect(argc > 1 ? argv[1] : "tcp://127.0.0.1:9559", NULL);
    nnqi_proxy robot = nnqi_service(session, "Robot", 0);
    nnqi_subscription said = nnqi_subscribe(robot, "said", 10);
    if (!said)
        return nnqi_perror(argv[0]);
    printf("walked to %g\n", nnqi_take_double(nnqi_callf(robot, "walk", "(d)", 2.5), NAN));
    nnqi_value steps = nnqi_from_json("[[1.5, 2.0], [0.0, 1.0]]", "[(dd)]");
    printf("a route of %g\n", nnqi_take_double(nnqi_callf(robot, "route", "([(dd)])", steps), NAN));
    printf("battery %g\n", nnqi_take_double(nnqi_property_get(robot, "battery"), NAN));
    nnqi_property_set(robot, "battery", nnqi_int('i', 100));
    printf("charged to %g\n", nnqi_take_double(nnqi_property_get(robot, "battery"), NAN));
    nnqi_value sensors = nnqi_callf(robot, "sensors", "()");
    const char *name = NULL;
    char text[64];
    double number = 0;
    for (size_t at = 0; nnqi_unpack_next(sensors, &at, "(sd)", &name, &number) > 0;)
        printf("sensor %s %g\n", name, number);
    nnqi_free(nnqi_callf(robot, "say", "(s)", "hello"));
    nnqi_value event = nnqi_next(said, 10000, NULL);
    if (!event)
        return nnqi_perror(argv[0]);
    printf("it said %s\n", nnqi_take_text(nnqi_item(event, 0), text, sizeof text));
    nnqi_proxy arm = nnqi_take_proxy(nnqi_callf(robot, "arm", "(s)", "left"));
    if (!nnqi_take_text(nnqi_callf(arm, "name", "()"), text, sizeof text))
        return nnqi_perror(argv[0]);
    printf("the %s arm is at %g\n", text, nnqi_take_double(nnqi_callf(arm, "lift", "(d)", 0.5), NAN));
    if (!nnqi_callf(robot, "walk", "(d)", -1.0))
        printf("refused: %s\n", strstr(nnqi_error(), "backwards") ? "backwards" : "no such arm");
    if (!nnqi_callf(robot, "arm", "(s)", "third"))
        printf("refused: %s\n", strstr(nnqi_error(), "backwards") ? "backwards" : "no such arm");
    nnqi_free(event);
    nnqi_free(sensors);
    return nnqi_unsubscribe(said) | nnqi_proxy_free(arm) | nnqi_proxy_free(robot) | nnqi_close(session);
}
