// SPDX-License-Identifier: MIT
//
// A directory with services of this process, and services of this process on somebody else's.
#ifndef MILLRACE_QI_SERVER_HPP
#define MILLRACE_QI_SERVER_HPP

#include <millrace/qi/client.hpp>

namespace millrace::qi {

/// Settings of a server. Texts that are empty are not given.
struct server_options {
    /// Who is let in, and with what; without, everybody is.
    std::string user;
    std::string token;
    /// Threads that objects work on; 0: one for each processor, at least 2.
    int workers = 0;
    /// For tcps: files (PEM) with the certificate and its key.
    std::string certificate;
    std::string key;
    /// Bytes of the longest payload that is accepted; 0: 50 MB.
    std::int64_t max_payload = 0;
    /// Bytes that a connection may leave unread before it loses events; 0: 8 MiB.
    std::int64_t event_limit = 0;

    nnqi_server_options raw() const {
        const auto given = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
        nnqi_server_options made{};
        made.user = given(user);
        made.token = given(token);
        made.workers = workers;
        made.certificate = given(certificate);
        made.key = given(key);
        made.max_payload = max_payload;
        made.event_limit = event_limit;
        return made;
    }
};

/// A directory that listens at addresses, as tcp://127.0.0.1:9559 (port 0: any that is free). Closed when it is
/// destroyed, which waits until the code of methods has returned.
class server {
public:
    explicit server(const std::string& url, const server_options& options = {})
        : server(std::vector<std::string>{url}, options) {}
    explicit server(const std::vector<std::string>& urls, const server_options& options = {}) {
        std::vector<const char*> raw;
        for (const std::string& url : urls) raw.push_back(url.c_str());
        const nnqi_server_options settings = options.raw();
        handle_.reset(detail::need(nnqi_server_open(raw.data(), raw.size(), &settings)));
    }

    /// Adds an object as a service, which everybody may call from now on. Returns its id.
    std::uint32_t add(const std::string& name, const object& service) {
        return static_cast<std::uint32_t>(detail::check(nnqi_add_service(handle_.get(), name.c_str(), service.get())));
    }
    void remove(std::uint32_t id) { detail::check(nnqi_remove_service(handle_.get(), id)); }

    /// An address that the server listens at, with the port that the system has chosen.
    std::string address(std::size_t index = 0) const {
        return detail::text_of(
            [&](char* room, std::size_t size) { return nnqi_server_address(handle_.get(), index, room, size); });
    }

    /// A service that another process has registered here, called on the connection that it has made.
    proxy reach(const std::string& name, milliseconds time = forever) {
        return proxy(nnqi_server_reach(handle_.get(), name.c_str(), detail::count_of(time)));
    }

    struct nnqi_server_counts statistics() const {
        struct nnqi_server_counts counts{};
        detail::check(nnqi_server_statistics(handle_.get(), &counts));
        return counts;
    }

private:
    detail::handle<nnqi_server_close> handle_;
};

/// Services of this process on another's directory, reached at addresses of ours.
class provider {
public:
    provider(const std::string& directory, const std::vector<std::string>& addresses,
             const session_options& options = {}, const server_options& serving = {}) {
        std::vector<const char*> raw;
        for (const std::string& address : addresses) raw.push_back(address.c_str());
        const nnqi_options connecting = options.raw();
        const nnqi_server_options listening = serving.raw();
        handle_.reset(detail::need(
            nnqi_provider_open(directory.c_str(), raw.data(), raw.size(), &connecting, &listening)));
    }

    std::uint32_t add(const std::string& name, const object& service) {
        return static_cast<std::uint32_t>(detail::check(nnqi_register(handle_.get(), name.c_str(), service.get())));
    }
    void remove(const std::string& name) { detail::check(nnqi_unregister(handle_.get(), name.c_str())); }

    struct nnqi_server_counts statistics() const {
        struct nnqi_server_counts counts{};
        detail::check(nnqi_provider_statistics(handle_.get(), &counts));
        return counts;
    }

private:
    detail::handle<nnqi_provider_close> handle_;
};

}  // namespace millrace::qi

#endif
