// The peer of the conformance list for C++ (see README.md).
#include <millrace/nanomsg.hpp>

#include <cstdint>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <utility>

namespace options = millrace::options;
using std::chrono::milliseconds;

static std::string body(std::size_t size, std::size_t seed) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; i++) bytes[i] = static_cast<char>(static_cast<unsigned char>((seed + 7 * i) % 251));
    return bytes;
}

static const std::map<std::string, int> protocols = {
    {"pair", NN_PAIR}, {"pub", NN_PUB},           {"sub", NN_SUB},       {"req", NN_REQ},
    {"rep", NN_REP},   {"push", NN_PUSH},         {"pull", NN_PULL},     {"surveyor", NN_SURVEYOR},
    {"bus", NN_BUS},   {"respondent", NN_RESPONDENT},
};

static const std::map<std::string, options::option<milliseconds>> times = {
    {"linger", options::linger},
    {"send_timeout", options::send_timeout},
    {"recv_timeout", options::recv_timeout},
    {"reconnect_interval", options::reconnect_interval},
    {"reconnect_interval_max", options::reconnect_interval_max},
    {"resend_interval", options::resend_interval},
    {"deadline", options::survey_deadline},
    {"connect_timeout", options::connect_timeout},
    {"keepalive", options::keepalive},
    {"tcp_user_timeout", options::tcp_user_timeout},
};

static const std::map<std::string, options::option<int>> numbers = {
    {"send_buffer", options::send_buffer},     {"recv_buffer", options::recv_buffer},
    {"send_priority", options::send_priority}, {"recv_priority", options::recv_priority},
    {"recv_max_size", options::recv_max_size}, {"max_ttl", options::max_ttl},
    {"accept_max", options::accept_max},       {"dscp", options::dscp},
    {"ipc_mode", options::ipc_mode},           {"ipc_owner", options::ipc_owner},
    {"ipc_group", options::ipc_group},         {"tls_auth", options::tls_auth},
    {"tls_min_version", options::tls_min_version},
};

static const std::map<std::string, options::option<bool>> flags = {
    {"ipv4_only", options::ipv4_only},
    {"tcp_no_delay", options::tcp_no_delay},
    {"spin", options::spin},
    {"coalesce", options::coalesce},
    {"recv_peer", options::recv_peer},
    {"tls_insecure_no_verification", options::tls_insecure_no_verification},
};

static const std::map<std::string, options::option<std::string>> texts = {
    {"accept_from", options::accept_from}, {"bind_device", options::bind_device},     {"tls_server_name", options::tls_server_name},
    {"tls_ca", options::tls_ca},           {"tls_key", options::tls_key},             {"tls_ca_file", options::tls_ca_file},
    {"tls_key_file", options::tls_key_file}, {"tls_cert_file", options::tls_cert_file},
};

static void set(millrace::socket& socket, const std::string& option, std::istringstream& line) {
    if (auto text = texts.find(option); text != texts.end()) {
        std::string given;
        line >> given;
        socket.set(text->second, given);
        return;
    }
    int value = 0;
    line >> value;
    if (auto time = times.find(option); time != times.end()) socket.set(time->second, milliseconds(value));
    else if (auto flag = flags.find(option); flag != flags.end()) socket.set(flag->second, value != 0);
    else if (option == "ws_text") socket.set(options::ws_message_type, value ? NN_WS_MSG_TYPE_TEXT : NN_WS_MSG_TYPE_BINARY);
    else socket.set(numbers.at(option), value);
}

static long long get(millrace::socket& socket, const std::string& option) {
    if (auto time = times.find(option); time != times.end()) {
        const milliseconds got = socket.get(time->second);
        // The list has it as C has it.
        return got == millrace::forever ? -1 : got.count();
    }
    if (auto flag = flags.find(option); flag != flags.end()) return socket.get(flag->second);
    if (option == "ws_text") return socket.get(options::ws_message_type) == NN_WS_MSG_TYPE_TEXT;
    return socket.get(numbers.at(option));
}

static std::string run(std::map<std::string, millrace::socket>& sockets, std::istringstream line) {
    std::string name, command, text;
    std::size_t size = 0, seed = 0;
    line >> name >> command;
    if (command == "open") {
        line >> text;
        sockets.erase(name);
        sockets.emplace(name, millrace::socket(static_cast<millrace::protocol>(protocols.at(text))));
        return "ok";
    }
    if (command == "context") {
        line >> text;
        millrace::socket opened = sockets.at(text).context();
        sockets.erase(name);
        sockets.emplace(name, std::move(opened));
        return "ok";
    }
    millrace::socket& socket = sockets.at(name);
    if (command == "bind") {
        line >> text;
        socket.bind(text);
        return "ok " + socket.get(options::last_endpoint);
    }
    if (command == "connect") {
        line >> text;
        socket.connect(text);
    } else if (command == "subscribe") {
        socket.set(options::subscribe, std::string());
    } else if (command == "send") {
        line >> size >> seed;
        socket.send(body(size, seed));
    } else if (command == "recv") {
        line >> size >> seed;
        millrace::message message = socket.recv();
        if (message.view() != body(size, seed)) return "wrong " + std::to_string(message.size()) + " bytes";
    } else if (command == "connections") {
        return "ok " + std::to_string(socket.statistic(NN_STAT_CURRENT_CONNECTIONS));
    } else if (command == "set") {
        line >> text;
        set(socket, text, line);
    } else if (command == "get") {
        line >> text;
        const auto is_text = texts.find(text);
        return "ok " + (is_text == texts.end() ? std::to_string(get(socket, text)) : socket.get(is_text->second));
    } else {
        socket.close();
    }
    return "ok";
}

int main() {
    std::map<std::string, millrace::socket> sockets;
    for (std::string line; std::getline(std::cin, line);) {
        try {
            std::cout << run(sockets, std::istringstream(line)) << std::endl;
        } catch (const std::system_error& error) {
            std::cout << "error " << error.code().value() << std::endl;
        }
    }
}
