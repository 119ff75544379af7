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
    /// Bytes of the longest payload that is accepted; 0: 50 MB. One longer than that and than 50 MB is not sent.
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
    server(std::error_code& code, const std::string& url, const server_options& options = {})
        : server(detail::told(code, [&] { return server(url, options); })) {}
    server(std::error_code& code, const std::vector<std::string>& urls, const server_options& options = {})
        : server(detail::told(code, [&] { return server(urls, options); })) {}

    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

    /// Adds an object as a service, which everybody may call from now on. Returns its id.
    std::uint32_t add(const std::string& name, const object& service) {
        return detail::count<std::uint32_t>(nnqi_add_service(handle_.get(), name.c_str(), service.get()));
    }
    std::uint32_t add(std::error_code& code, const std::string& name, const object& service) {
        return detail::told(code, [&] { return add(name, service); });
    }
    /// Takes a service away, by its id.
    void remove(std::uint32_t id) { detail::check(nnqi_remove_service(handle_.get(), id)); }
    void remove(std::error_code& code, std::uint32_t id) {
        detail::told(code, [&] { remove(id); });
    }

    /// An address that the server listens at, with the port that the system has chosen.
    std::string address(std::size_t index = 0) const {
        return detail::text_of(
            [&](char* room, std::size_t size) { return nnqi_server_address(handle_.get(), index, room, size); });
    }
    std::string address(std::error_code& code, std::size_t index = 0) const {
        return detail::told(code, [&] { return address(index); });
    }

    /// A service that another process has registered here, called on the connection that it has made.
    proxy reach(const std::string& name, time_limit time = forever) {
        return proxy(nnqi_server_reach(handle_.get(), name.c_str(), time.milliseconds()));
    }
    proxy reach(std::error_code& code, const std::string& name, time_limit time = forever) {
        return detail::told(code, [&] { return reach(name, time); });
    }

    /// Connections, requests and events so far, as millrace/qi_service.h describes them.
    struct nnqi_server_statistics statistics() const {
        struct nnqi_server_statistics counts{};
        detail::check(nnqi_server_statistics(handle_.get(), &counts));
        return counts;
    }
    struct nnqi_server_statistics statistics(std::error_code& code) const {
        return detail::told(code, [&] { return statistics(); });
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
    provider(std::error_code& code, const std::string& directory, const std::vector<std::string>& addresses,
             const session_options& options = {}, const server_options& serving = {})
        : provider(detail::told(code, [&] { return provider(directory, addresses, options, serving); })) {}

    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

    /// Registers an object with the directory. Returns its id.
    std::uint32_t add(const std::string& name, const object& service) {
        return detail::count<std::uint32_t>(nnqi_register(handle_.get(), name.c_str(), service.get()));
    }
    std::uint32_t add(std::error_code& code, const std::string& name, const object& service) {
        return detail::told(code, [&] { return add(name, service); });
    }
    /// Takes a service away, by its name.
    void remove(const std::string& name) { detail::check(nnqi_unregister(handle_.get(), name.c_str())); }
    void remove(std::error_code& code, const std::string& name) {
        detail::told(code, [&] { remove(name); });
    }

    /// Connections, requests and events so far, as millrace/qi_service.h describes them.
    struct nnqi_server_statistics statistics() const {
        struct nnqi_server_statistics counts{};
        detail::check(nnqi_provider_statistics(handle_.get(), &counts));
        return counts;
    }
    struct nnqi_server_statistics statistics(std::error_code& code) const {
        return detail::told(code, [&] { return statistics(); });
    }

private:
    detail::handle<nnqi_provider_close> handle_;
};

}  // namespace millrace::qi

#endif
