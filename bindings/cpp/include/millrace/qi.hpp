// SPDX-License-Identifier: MIT
//
// The object bus (QiMessaging, the protocol of libqi) for C++17, over the C library. Link with libnanomsg.
#ifndef MILLRACE_QI_HPP
#define MILLRACE_QI_HPP

#include <millrace/qi/client.hpp>
#include <millrace/qi/object.hpp>
#include <millrace/qi/server.hpp>
#include <millrace/qi/value.hpp>

#endif
