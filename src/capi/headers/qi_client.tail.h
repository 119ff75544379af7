/*
 * nnqi_call with the arguments by format, as of nnqi_pack, and the time of call_timeout. Returns and fails as these. Free it. Any
 * thread. nnqi_callf(robot, "add", "(ii)", 1, 2)
 */
static __inline__ nnqi_value nnqi_callf(nnqi_proxy proxy, const char *method, const char *signature, ...)
{
    nnqi_value arguments;
    va_list given;
    va_start(given, signature);
    arguments = nnqi_pack_list(signature, &given);
    va_end(given);
    return arguments ? nnqi_call(proxy, method, arguments, -1) : 0;
}
