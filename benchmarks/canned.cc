// The floor for whatever answers from memory: a server of one thread on libuv that speaks just
// enough of PostgreSQL's protocol for pgbench, looks at the first byte of what it reads, and
// answers every query with the same bytes. It has nothing of the proxy's, net/ included, so that it
// is outside of the house and knows libuv itself: what its streams cost is what net/ is measured
// against.
//
//     canned_server PORT [UNIX_SOCKET]
//
// Listens on loopback, and on the socket if it is named; says "ready" when it does. The row is one
// column "abalance", int4, 0.

#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace {

void Append16(std::string& to, int value) {
  to.push_back(static_cast<char>(value >> 8));
  to.push_back(static_cast<char>(value));
}

void Append32(std::string& to, int value) {
  Append16(to, value >> 16);
  Append16(to, value);
}

std::string Message(char type, std::string_view body) {
  std::string message(1, type);
  Append32(message, static_cast<int>(body.size()) + 4);
  message += body;
  return message;
}

std::string RowDescription() {
  std::string body;
  Append16(body, 1);
  body.append("abalance").push_back('\0');
  Append32(body, 16384);  // table
  Append16(body, 3);      // column
  Append32(body, 23);     // int4
  Append16(body, 4);
  Append32(body, -1);
  Append16(body, 0);
  return Message('T', body);
}

std::string DataRow() {
  std::string body;
  Append16(body, 1);
  Append32(body, 1);
  body.push_back('0');
  return Message('D', body);
}

struct Answers {
  std::string login;
  std::string query;     // to Query
  std::string parse;     // to Parse, Sync
  std::string prepared;  // to Bind, Describe, Execute, Sync
  std::string extended;  // to Parse and these
};

Answers MakeAnswers() {
  using namespace std::string_literals;
  const std::string ready = Message('Z', "I");
  const std::string rows = RowDescription() + DataRow() + Message('C', "SELECT 1\0"s) + ready;
  Answers answers;
  answers.login = Message('R', "\0\0\0\0"s) + Message('S', "server_version\00015.0\0"s) +
                  Message('S', "client_encoding\0UTF8\0"s) +
                  Message('S', "standard_conforming_strings\0on\0"s) +
                  Message('K', "\0\0\0\1\0\0\0\1"s) + ready;
  answers.query = rows;
  answers.parse = Message('1', "") + ready;
  answers.prepared = Message('2', "") + rows;
  answers.extended = Message('1', "") + answers.prepared;
  return answers;
}

const Answers& Canned() {
  static const Answers answers = MakeAnswers();
  return answers;
}

struct Client {
  uv_any_handle handle;
  bool logged_in = false;
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle); }
};

void OnClosed(uv_handle_t* handle) { delete static_cast<Client*>(handle->data); }

void Close(Client* client) { uv_close(reinterpret_cast<uv_handle_t*>(client->stream()), OnClosed); }

char g_read_buffer[64 * 1024];

void OnAllocate(uv_handle_t*, size_t, uv_buf_t* buffer) {
  *buffer = uv_buf_init(g_read_buffer, sizeof g_read_buffer);
}

const std::string* AnswerTo(std::string_view bytes) {
  switch (bytes.front()) {
    case 'Q':
      return &Canned().query;
    case 'B':
      return &Canned().prepared;
    case 'P': {
      uint32_t length = 0;
      std::memcpy(&length, bytes.data() + 1, sizeof length);
      const size_t next = size_t{1} + __builtin_bswap32(length);
      return next < bytes.size() && bytes[next] == 'B' ? &Canned().extended : &Canned().parse;
    }
    default:
      return nullptr;
  }
}

void OnRead(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
  auto* client = static_cast<Client*>(stream->data);
  if (size < 0) return Close(client);
  if (size == 0) return;
  const std::string* answer = &Canned().login;
  if (std::exchange(client->logged_in, true)) {
    answer = AnswerTo({buffer->base, static_cast<size_t>(size)});
    if (answer == nullptr) return Close(client);
  }
  uv_buf_t out =
      uv_buf_init(const_cast<char*>(answer->data()), static_cast<unsigned>(answer->size()));
  if (uv_try_write(stream, &out, 1) != static_cast<int>(answer->size())) Close(client);
}

template <typename Handle>
void OnConnection(uv_stream_t* server, int status) {
  if (status < 0) return;
  auto* client = new Client;
  client->stream()->data = client;
  if constexpr (std::is_same_v<Handle, uv_tcp_t>) {
    uv_tcp_init(server->loop, &client->handle.tcp);
    uv_tcp_nodelay(&client->handle.tcp, 1);
  } else {
    uv_pipe_init(server->loop, &client->handle.pipe, 0);
  }
  if (uv_accept(server, client->stream()) != 0) return Close(client);
  uv_read_start(client->stream(), OnAllocate, OnRead);
}

void Check(int result, const char* what) {
  if (result >= 0) return;
  std::fprintf(stderr, "canned_server: %s: %s\n", what, uv_strerror(result));
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: canned_server PORT [UNIX_SOCKET]\n");
    return 2;
  }
  uv_loop_t* loop = uv_default_loop();
  uv_tcp_t tcp;
  sockaddr_in address;
  Check(uv_ip4_addr("127.0.0.1", std::atoi(argv[1]), &address), "address");
  Check(uv_tcp_init(loop, &tcp), "socket");
  Check(uv_tcp_bind(&tcp, reinterpret_cast<sockaddr*>(&address), 0), "bind");
  Check(uv_listen(reinterpret_cast<uv_stream_t*>(&tcp), 128, OnConnection<uv_tcp_t>), "listen");
  uv_pipe_t pipe;
  if (argc > 2) {
    Check(uv_pipe_init(loop, &pipe, 0), "socket");
    Check(uv_pipe_bind(&pipe, argv[2]), "bind");
    Check(uv_listen(reinterpret_cast<uv_stream_t*>(&pipe), 128, OnConnection<uv_pipe_t>), "listen");
  }
  std::puts("ready");
  std::fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
