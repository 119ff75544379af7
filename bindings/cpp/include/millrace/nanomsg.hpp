// SPDX-License-Identifier: MIT
//
// Scalability Protocols for C++17, over the C library. Link with libnanomsg.
#ifndef MILLRACE_NANOMSG_HPP
#define MILLRACE_NANOMSG_HPP

#include <millrace/error.hpp>
#include <millrace/message.hpp>
#include <millrace/monitor.hpp>
#include <millrace/options.hpp>
#include <millrace/poll.hpp>
#include <millrace/socket.hpp>

#endif
