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

#define METHOD(name) static void name(nnqi_request request, __attribute__((unused)) void *user)

static double position;

METHOD(walk) {
    nnqi_object robot = nnqi_request_object(request);
    double meters = nnqi_arg_double(request, 0);
    int battery = 0;
    if (meters < 0) {
        nnqi_reply_error(request, "cannot walk backwards");
        return;
    }
    nnqi_value level = nnqi_object_get(robot, "battery");
    nnqi_unpack(level, "i", &battery);
    nnqi_free(level);
    nnqi_object_set(robot, "battery", nnqi_pack("i", battery - (int)(10 * meters)));
    nnqi_reply(request, nnqi_double(position += meters));
}

METHOD(route) {
    nnqi_value steps = nnqi_arg(request, 0);
    double x = 0, y = 0, length = 0;
    for (int64_t at = 0; at < nnqi_count(steps); at++) {
        nnqi_value step = nnqi_item(steps, (size_t)at);
        nnqi_unpack(step, "(dd)", &x, &y);
        nnqi_free(step);
        length += fabs(x) + fabs(y);
    }
    nnqi_free(steps);
    nnqi_reply(request, nnqi_double(length));
}

METHOD(sensors) {
    nnqi_value names[] = {nnqi_text("head"), nnqi_text("position")}, values[] = {nnqi_double(0.5), nnqi_double(position)};
    nnqi_reply(request, nnqi_map("s", "d", names, values, 2));
}

METHOD(say) {
    nnqi_emit(nnqi_request_object(request), "said", nnqi_pack("(s)", nnqi_arg_text(request, 0)));
    nnqi_reply(request, nnqi_void());
}

METHOD(name) {
    nnqi_reply(request, nnqi_text(user));
}

METHOD(lift) {
    double angle = nnqi_arg_double(request, 0);
    nnqi_emit(nnqi_request_object(request), "lifted", nnqi_pack("(d)", angle));
    nnqi_reply(request, nnqi_double(angle));
}

METHOD(arm) {
    static char sides[2][6] = {"left", "right"};
    const char *wanted = nnqi_arg_text(request, 0);
    int right = strcmp(wanted, "right") == 0;
    if (!right && strcmp(wanted, "left") != 0) {
        nnqi_reply_error(request, "there is no such arm");
        return;
    }
    nnqi_builder builder = nnqi_builder_new();
    nnqi_signal(builder, "lifted", "(d)");
    nnqi_method(builder, "name", "()", "s", name, sides[right]);
    nnqi_method(builder, "lift", "(d)", "d", lift, NULL);
    nnqi_object object = nnqi_build(builder);
    nnqi_reply_object(request, object);
    nnqi_object_free(object);
}

int main(int argc, char **argv) {
    const char *url = argc > 1 ? argv[1] : "tcp://127.0.0.1:9559";
    char address[128];
    nnqi_builder builder = nnqi_builder_new();
    nnqi_signal(builder, "said", "(s)");
    nnqi_property(builder, "battery", "i", nnqi_pack("i", 100));
    nnqi_method(builder, "walk", "(d)", "d", walk, NULL);
    nnqi_method(builder, "route", "([(dd)])", "d", route, NULL);
    nnqi_method(builder, "sensors", "()", "{sd}", sensors, NULL);
    nnqi_method(builder, "say", "(s)", "v", say, NULL);
    nnqi_method(builder, "arm", "(s)", "o", arm, NULL);
    nnqi_object robot = nnqi_build(builder);
    nnqi_server server = robot ? nnqi_server_open(&url, 1, NULL) : 0;
    if (!server || nnqi_add_service(server, "Robot", robot) < 0 || nnqi_server_address(server, 0, address, sizeof address) < 0)
        return fprintf(stderr, "%s\n", nnqi_error()), 1;
    puts(address);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return nnqi_object_free(robot) | nnqi_server_close(server);
}
