/* A robot on the object bus: a service with methods, a signal, a property and objects. qi_pilot.c calls it.
 * The same program is there in Rust and in Python.
 *
 * Build:  cc -o qi_robot qi_robot.c -lnanomsg && cc -o qi_pilot qi_pilot.c -lnanomsg
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

static double position;

NNQI_CODE(walk) {
    nnqi_object robot = nnqi_request_object(request);
    double meters = nnqi_arg_double(request, 0);
    int64_t battery = nnqi_take_int(nnqi_object_get(robot, "battery"), 0);
    if (meters < 0)
        return nnqi_fail("cannot walk backwards");
    nnqi_object_set(robot, "battery", nnqi_int('i', battery - (int)(10 * meters)));
    return nnqi_double(position += meters);
}

NNQI_CODE(route) {
    nnqi_value steps = nnqi_arg(request, 0);
    double x = 0, y = 0, length = 0;
    size_t at = 0;
    while (nnqi_unpack_next(steps, &at, "(dd)", &x, &y) > 0)
        length += fabs(x) + fabs(y);
    nnqi_free(steps);
    return nnqi_double(length);
}

NNQI_CODE(sensors) {
    nnqi_value names[] = {nnqi_text("head"), nnqi_text("position")}, values[] = {nnqi_double(0.5), nnqi_double(position)};
    return nnqi_map("s", "d", names, values, 2);
}

NNQI_CODE(say) {
    nnqi_emit(nnqi_request_object(request), "said", nnqi_arguments(request));
    return nnqi_void();
}

NNQI_CODE(name) {
    return nnqi_text(user);
}

NNQI_CODE(lift) {
    nnqi_emit(nnqi_request_object(request), "lifted", nnqi_arguments(request));
    return nnqi_arg(request, 0);
}

NNQI_CODE(arm) {
    static const struct nnqi_member members[] = {
        NNQI_SIGNAL("lifted", "(d)"),
        NNQI_FUNCTION("name", "()", "s", name),
        NNQI_FUNCTION("lift", "(d)", "d", lift),
        NNQI_MEMBERS_END,
    };
    static char left[] = "left", right[] = "right";
    const char *side = nnqi_arg_text(request, 0);
    if (strcmp(side, left) != 0 && strcmp(side, right) != 0)
        return nnqi_fail("there is no such arm");
    return nnqi_take_object(nnqi_object_new(members, *side == 'l' ? left : right));
}

int main(int argc, char **argv) {
    static const struct nnqi_member members[] = {
        NNQI_SIGNAL("said", "(s)"),
        NNQI_PROPERTY("battery", "i", "100"),
        NNQI_FUNCTION("walk", "(d)", "d", walk),
        NNQI_FUNCTION("route", "([(dd)])", "d", route),
        NNQI_FUNCTION("sensors", "()", "{sd}", sensors),
        NNQI_FUNCTION("say", "(s)", "v", say),
        NNQI_FUNCTION("arm", "(s)", "o", arm),
        NNQI_MEMBERS_END,
    };
    nnqi_server server = nnqi_serve(argc > 1 ? argv[1] : "tcp://127.0.0.1:9559", "Robot", nnqi_object_new(members, NULL));
    if (!server)
        return nnqi_perror(argv[0]);
    puts(nnqi_server_url(server));
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return nnqi_server_close(server);
}
